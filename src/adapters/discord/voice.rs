//! How long a recording is: Discord shows a voice message by the length that its sender tells.

/// Opus counts in 48,000ths of a second whatever it was recorded with.
const OPUS: f64 = 48_000.0;
/// Where the file does not tell: a recording without a length is refused.
const UNKNOWN: f64 = 1.0;
/// The quiet line that is drawn for a recording whose loudness nobody looked at: 32 zero bytes in base64.
pub(super) const WAVEFORM: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The length of an Ogg file in seconds, by the place that its last page says.
pub(super) fn seconds(bytes: &[u8]) -> f64 {
    let last = bytes.windows(4).rposition(|four| four == b"OggS");
    let place = last.and_then(|page| bytes.get(page + 6..page + 14)).and_then(|place| place.try_into().ok());
    let samples = place.map(i64::from_le_bytes).and_then(|samples| u32::try_from(samples).ok());
    match samples {
        Some(samples @ 1..) => f64::from(samples) / OPUS,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(place: i64) -> Vec<u8> {
        let mut page = b"OggS\0\0".to_vec();
        page.extend(place.to_le_bytes());
        page.extend([0; 13]);
        page
    }

    #[test]
    fn the_last_page_tells_the_length() {
        let two = |seconds: f64| (seconds - 2.0).abs() < f64::EPSILON;
        assert!(two(seconds(&[page(0), page(96_000)].concat())));
        for odd in [vec![], b"OggS".to_vec(), page(0), page(-1), page(i64::MAX), b"RIFF0000000000".to_vec()] {
            assert!((seconds(&odd) - UNKNOWN).abs() < f64::EPSILON);
        }
    }
}
