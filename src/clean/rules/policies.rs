//! Phrases of lines about policies and cookies: C4's six phrases, and their equivalents in other languages.

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

#[rustfmt::skip]
const PHRASES: &[&str] = &[
    // C4's own
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
    // Chinese
    "使用条款", "服务条款", "隐私政策", "隐私权政策", "隐私声明", "用户协议", "cookie政策", "cookie 政策", "使用cookie", "使用 cookie",
    "使用條款", "服務條款", "隱私政策", "隱私權政策", "隱私聲明", "使用者協議",
    // Japanese, Korean
    "利用規約", "プライバシーポリシー", "個人情報保護方針", "クッキーポリシー", "cookieを使用", "クッキーを使用", "cookieポリシー",
    "이용약관", "개인정보처리방침", "개인정보 처리방침", "쿠키 정책", "쿠키를 사용",
    // German, Dutch, Swedish, Danish
    "nutzungsbedingungen", "datenschutzerklärung", "datenschutzbestimmungen", "cookie-richtlinie", "verwendet cookies", "verwenden cookies",
    "verwendung von cookies", "gebruiksvoorwaarden", "privacybeleid", "cookiebeleid", "gebruikt cookies", "gebruik van cookies",
    "användarvillkor", "integritetspolicy", "använder cookies", "brugsbetingelser", "privatlivspolitik", "bruger cookies",
    // French, Spanish, Portuguese, Italian, Romanian
    "conditions d'utilisation", "conditions d’utilisation", "politique de confidentialité", "politique de cookies", "utilise des cookies",
    "utilisation de cookies", "utilisation des cookies", "términos de uso", "condiciones de uso", "política de privacidad",
    "política de cookies", "utiliza cookies", "utilizamos cookies", "uso de cookies", "termos de uso", "política de privacidade",
    "usa cookies", "termini di utilizzo", "condizioni d'uso", "condizioni d’uso", "informativa sulla privacy", "informativa sui cookie",
    "utilizza cookie", "utilizza i cookie", "uso dei cookie", "termeni de utilizare", "politica de confidențialitate", "folosește cookie",
    // Polish, Czech, Russian, Ukrainian
    "warunki korzystania", "polityka prywatności", "polityka cookies", "używa plików cookie", "wykorzystuje pliki cookie",
    "podmínky použití", "zásady ochrany osobních údajů", "používá soubory cookie", "условия использования", "пользовательское соглашение",
    "политика конфиденциальности", "политику конфиденциальности", "использует файлы cookie", "использует cookie", "умови використання",
    "політика конфіденційності", "використовує файли cookie",
    // Turkish, Arabic, Hindi, Indonesian, Vietnamese, Thai
    "kullanım koşulları", "gizlilik politikası", "çerez politikası", "çerezleri kullan", "شروط الاستخدام", "سياسة الخصوصية",
    "ملفات تعريف الارتباط", "गोपनीयता नीति", "उपयोग की शर्तें", "ketentuan penggunaan", "kebijakan privasi", "menggunakan cookie",
    "điều khoản sử dụng", "chính sách bảo mật", "sử dụng cookie", "นโยบายความเป็นส่วนตัว", "ข้อกำหนดการใช้งาน", "ใช้คุกกี้",
];

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(PHRASES).ok());

/// The phrase that a line contains, if any.
pub fn policy(line: &str) -> Option<&'static str> {
    let small = line.to_lowercase();
    FINDER.as_ref()?.find(&small).map(|found| PHRASES[found.pattern().as_usize()])
}
