//! Stop words by language: running text contains them, a list of words does not.

use super::facts::Facts;
use crate::clean::near::units;
use crate::token::words::{FastMap, FastSet};
use std::sync::LazyLock;

/// The most frequent stop words of each language; the English list is Gopher's, with eight more. Chinese and Japanese stop words
/// are characters.
const LISTS: &[(&str, &str)] = &[
    ("en", "the be to of and that have with is in for it on as are this"),
    ("de", "der die das und in zu den nicht von mit ist des sich ein eine auf für dem auch"),
    ("fr", "le la les de des et un une du en que est pour qui dans à par au sur"),
    ("es", "el la los las de que y en un una por con para no es se del al"),
    ("it", "il la di che e in un una per con non è del della si le da al"),
    ("pt", "o a os de que e em um uma para com não é do da se no na dos"),
    ("nl", "de het een en van in is dat op te zijn niet met voor die aan"),
    ("sv", "och i att det som en på är av för med den inte till ett om"),
    ("da", "og i at det som en på er af for med den ikke til et de der"),
    ("no", "og i at det som en på er av for med den ikke til et de"),
    ("fi", "ja on ei se että oli hän mutta ovat kun niin myös tai jos joka"),
    ("pl", "i w nie na się z do to że jest o jak za od po przez"),
    ("cs", "a v se na je že s z do o to i ve k za by"),
    ("sk", "a v sa na je že s z do o to i vo k za by"),
    ("sl", "in je v na se da za so ki z pa ne ali kot"),
    ("hr", "i je u na se da za su od s koji ne ili kao"),
    ("ro", "și de la în a cu pe o care nu din că este un pentru"),
    ("hu", "a az és hogy nem is egy ez van meg de vagy mint"),
    ("tr", "ve bir bu da de için ile çok olarak ne gibi daha her olan"),
    ("vi", "và của là có không được trong cho một các người với những để"),
    ("id", "yang dan di dari untuk dengan ini itu pada tidak dalam adalah ke"),
    ("ca", "de la que i el en a les els un una per amb no és del"),
    ("et", "ja on ei et see oli ta kui ka mis oma või selle"),
    ("lv", "un ir ar par no uz ka kas to tas bet vai kā pie"),
    ("lt", "ir yra kad iš su tai jis buvo į o kaip bet ar nuo"),
    ("ru", "и в не на что с по как это к но из у от за для"),
    ("uk", "і в не на що з та до як це за але від у для"),
    ("bg", "и на да не в се за от че е с като по са"),
    ("sr", "и је у на се да за су од с који не или као"),
    ("el", "και το να του η της με που την από για είναι τα στο"),
    ("ar", "في من على أن إلى عن هذا لا ما التي الذي كان مع هذه"),
    ("fa", "و در به از که این را با است برای آن یک تا بر"),
    ("ur", "کے میں کی ہے سے کا اور کو نے پر یہ اس ہیں"),
    ("he", "של את על לא הוא זה עם גם כי אל היא או כל"),
    ("hi", "के में की है से का और को ने पर यह इस हैं भी"),
    (
        "zh",
        "的 了 是 在 不 和 有 人 这 中 为 以 与 及 或 由 等 应 其 之 对 于 者 所 可 個 這 為 與 對 於 會 們 來 自 起 本 该 時 时 得 当 當 应 應 也 都 就 而 但 从 從 向 被 至 等 按 依 上 下 内 內 外",
    ),
    ("ja", "の は を に が と で た も る し い な て か"),
];

/// The lists that contain a word, and its number among all words.
static KNOWN: LazyLock<FastMap<u64, (u64, u32)>> = LazyLock::new(|| {
    let mut known: FastMap<u64, (u64, u32)> = FastMap::default();
    for (list, (_, words)) in LISTS.iter().enumerate() {
        for hash in units(words) {
            let number = known.len() as u32;
            known.entry(hash).or_insert((0, number)).0 |= 1 << list;
        }
    }
    known
});

/// Number of different words of the best-matching list in the text.
pub fn count(facts: &Facts) -> usize {
    let mut counts = [0usize; LISTS.len()];
    let mut seen = FastSet::default();
    for unit in &facts.units {
        let Some((lists, number)) = KNOWN.get(&unit.hash) else { continue };
        if !seen.insert(*number) {
            continue;
        }
        for (list, count) in counts.iter_mut().enumerate() {
            *count += usize::from(lists >> list & 1 == 1);
        }
        if counts.iter().any(|count| *count > 8) {
            break;
        }
    }
    counts.into_iter().max().unwrap_or(0)
}

/// Whether there is a list for a language.
pub fn has(language: &str) -> bool {
    LISTS.iter().any(|(name, _)| *name == language)
}
