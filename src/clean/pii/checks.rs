//! Checks that separate personal data from other numbers: checksums, lengths, ranges.

use std::net::{Ipv4Addr, Ipv6Addr};

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|char| char.to_digit(10)).collect()
}

/// A card number: the checksum of ISO/IEC 7812 (Luhn 1960), and a length valid for its prefix.
pub fn luhn(text: &str) -> bool {
    let digits = digits(text);
    let fits = match (digits[0], digits[1]) {
        (4, _) => matches!(digits.len(), 13 | 16 | 19),
        (3, 4 | 7) => digits.len() == 15,
        (3, 0 | 6 | 8) => digits.len() == 14,
        (3, 5) | (5, 1..=5) | (2, 2..=7) => digits.len() == 16,
        (6, _) => (16..=19).contains(&digits.len()),
        _ => false,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| doubled(*digit, at % 2 == 1)).sum();
    fits && sum.is_multiple_of(10)
}

fn doubled(digit: u32, is_second: bool) -> u32 {
    match (is_second, digit) {
        (false, digit) => digit,
        (true, 5..) => digit * 2 - 9,
        (true, _) => digit * 2,
    }
}

/// Lengths of account numbers, by country (SWIFT's IBAN registry).
#[rustfmt::skip]
const IBAN: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22), ("BR", 29), ("BY", 28),
    ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DK", 18), ("DO", 28), ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18),
    ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23), ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28), ("IE", 22),
    ("IL", 23), ("IQ", 23), ("IS", 26), ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20),
    ("LU", 20), ("LV", 21), ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MR", 27), ("MT", 31), ("MU", 30), ("NL", 18),
    ("NO", 15), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22), ("SA", 24), ("SC", 31), ("SE", 24),
    ("SI", 19), ("SK", 24), ("SM", 27), ("ST", 25), ("SV", 28), ("TL", 23), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24),
    ("XK", 20),
];

/// An IBAN: the length of its country, and remainder 1 modulo 97 (ISO 13616).
pub fn iban(text: &str) -> bool {
    let signs: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let country = String::from_utf8_lossy(&signs[..2]);
    if !IBAN.iter().any(|(name, length)| *name == country && *length == signs.len()) {
        return false;
    }
    let value = |rest: u32, sign: &u8| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        _ => (rest * 100 + u32::from(sign - b'A') + 10) % 97,
    };
    signs[4..].iter().chain(&signs[..4]).fold(0, value) == 1
}

/// A Chinese resident identity number: its date, and the checksum of GB 11643 (ISO 7064 mod 11-2).
pub fn chinese_id(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const LAST: &[u8; 11] = b"10X98765432";
    let sum: u32 = digits(&text[..17]).iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(6..10), number(10..12), number(12..14));
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // provinces begin with 1 to 6, Taiwan, Hong Kong and Macau with 7 and 8
    let province = number(0..2);
    (11..=82).contains(&province) && day <= days && LAST[sum as usize % 11] == text.as_bytes()[17].to_ascii_uppercase()
}

/// A public IPv4 address: not in a private, local or documentation range. Four numbers below 10 are a version number.
pub fn ipv4(text: &str) -> bool {
    let Ok(ip) = text.parse::<Ipv4Addr>() else { return false };
    let [first, second, ..] = ip.octets();
    let is_special = first == 0 || first >= 240 || first == 100 && (64..128).contains(&second) || ip.is_multicast();
    !(is_special
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.octets().iter().all(|part| *part < 10))
}

/// An IPv6 address that is not local, unspecified or for documentation.
pub fn ipv6(text: &str) -> bool {
    let Ok(ip) = text.parse::<Ipv6Addr>() else { return false };
    let first = ip.segments()[0];
    // global unicast, except 2001:db8::/32, reserved for documentation
    first & 0xe000 == 0x2000 && !(first == 0x2001 && ip.segments()[1] == 0xdb8)
}

/// A valid number of digits for a phone number, not all the same.
pub fn phone(text: &str) -> bool {
    let digits = digits(text);
    (8..=15).contains(&digits.len()) && digits.iter().skip(2).any(|digit| *digit != digits[2])
}
