//! HTTP dates for two purposes: the time of a fetch, and the time after which a host accepts the next request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days from 1970-01-01 to a calendar date (Hinnant 2013).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2026-11-30T16:00:00Z`.
pub fn written(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (day, rest) = ((seconds / DAY) as i64, seconds % DAY);
    let mut year = 1970 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap_or(1);
    let date = day - days(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Delay of a `Retry-After` header: seconds, or a date.
pub fn until(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // Wed, 21 Oct 2026 07:28:00 GMT
    let mut words = value.split_whitespace().skip(1);
    let day = words.next()?.parse::<i64>().ok()?;
    let month = words.next().and_then(|word| MONTHS.iter().position(|month| *month == word))? as i64 + 1;
    let year = words.next()?.parse::<i64>().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part < 61));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let seconds = days(year, month, day) as u64 * DAY + hour * 3600 + minute * 60 + second;
    Some((UNIX_EPOCH + Duration::from_secs(seconds)).duration_since(now).unwrap_or_default())
}
