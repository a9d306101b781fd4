//! Dates in a text: `{{ appointment | date("%d.%m.%Y %H:%M") }}`.
//!
//! A date is taken as it is written, RFC 3339 or only its day, in the zone in which it is written: whoever gives the variable
//! knows in which zone the reader lives.

/// A date in another form. `%Y`, `%y`, `%m`, `%d`, `%e` (the day without a zero), `%H`, `%M`, `%S` and `%%`.
pub(crate) fn formatted(date: &str, form: &str) -> Result<String, String> {
    let parts = Parts::read(date.trim()).ok_or_else(|| {
        let start: String = date.chars().take(40).collect();
        format!("`{start}` is not a date such as 2026-03-01 or 2026-03-01T12:30:00Z")
    })?;
    let mut made = String::with_capacity(form.len() + 8);
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            made.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => made.push_str(parts.year),
            Some('y') => made.push_str(&parts.year[2..]),
            Some('m') => made.push_str(parts.month),
            Some('d') => made.push_str(parts.day),
            Some('e') => made.push_str(parts.day.trim_start_matches('0')),
            Some('H') => made.push_str(parts.hour),
            Some('M') => made.push_str(parts.minute),
            Some('S') => made.push_str(parts.second),
            Some('%') => made.push('%'),
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("dates know %Y %y %m %d %e %H %M %S and %%, not %{other}"));
            }
        }
    }
    Ok(made)
}

struct Parts<'a> {
    year: &'a str,
    month: &'a str,
    day: &'a str,
    hour: &'a str,
    minute: &'a str,
    second: &'a str,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let number = |at: usize, length: usize, most: u32| {
            let digits = text.get(at..at + length)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            (all && digits.parse::<u32>().ok()? <= most).then_some(digits)
        };
        let is =
            |at: usize, admitted: &[u8]| text.as_bytes().get(at).is_some_and(|byte| admitted.contains(byte));
        let (year, month, day) = (number(0, 4, 9999)?, number(5, 2, 12)?, number(8, 2, 31)?);
        if !is(4, b"-") || !is(7, b"-") || month == "00" || day == "00" {
            return None;
        }
        if text.len() == 10 {
            return Some(Self { year, month, day, hour: "00", minute: "00", second: "00" });
        }
        let (hour, minute) = (number(11, 2, 23)?, number(14, 2, 59)?);
        if !is(10, b"Tt ") || !is(13, b":") {
            return None;
        }
        let second = if is(16, b":") { number(17, 2, 60)? } else { "00" };
        Some(Self { year, month, day, hour, minute, second })
    }
}

#[cfg(test)]
mod tests {
    use super::formatted;

    #[test]
    fn dates_are_shown_as_they_are_written() {
        for (date, form, shown) in [
            ("2026-03-01", "%d.%m.%Y", "01.03.2026"),
            ("2026-03-01T09:05:00Z", "%e/%m/%y %H:%M", "1/03/26 09:05"),
            ("2026-12-31T23:59:58.123+09:00", "%Y-%m-%d %H:%M:%S 100%%", "2026-12-31 23:59:58 100%"),
            ("2026-12-31 23:59", "%H h", "23 h"),
        ] {
            assert_eq!(formatted(date, form).as_deref(), Ok(shown), "{date}");
        }
        for date in [
            "soon",
            "2026-13-01",
            "2026-00-01",
            "2026-1-1",
            "2026-03-01T25:00:00Z",
            "2026-03-01x",
            "é026-03-01",
        ] {
            assert!(formatted(date, "%Y").is_err(), "{date}");
        }
        assert!(formatted("2026-03-01", "%A").is_err());
        assert!(formatted("2026-03-01", "%").is_err());
    }
}
