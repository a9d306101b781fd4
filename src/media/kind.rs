//! What a file really is: its first bytes know better than whoever sent it.

/// Whatever says nothing about what it is.
const UNKNOWN: &str = "application/octet-stream";

/// How many of the first bytes are looked at.
pub(crate) const HEAD: usize = 8 * 1024;

/// Containers that hold sound alone or pictures too: the bytes cannot tell which, the claim can.
const CONTAINERS: &[(&str, &str)] = &[
    ("video/mp4", "mp4"),
    ("video/x-m4v", "mp4"),
    ("audio/m4a", "mp4"),
    ("audio/x-m4a", "mp4"),
    ("audio/mp4", "mp4"),
    ("audio/aac", "mp4"),
    ("video/quicktime", "mp4"),
    ("video/3gpp", "mp4"),
    ("audio/3gpp", "mp4"),
    ("video/webm", "webm"),
    ("audio/webm", "webm"),
    ("video/x-matroska", "webm"),
    ("audio/ogg", "ogg"),
    ("video/ogg", "ogg"),
    ("audio/opus", "ogg"),
    ("application/ogg", "ogg"),
];

/// The type of a file that begins with `head` and is claimed to be `claim`.
///
/// Pictures, films and sound are what their bytes say, whatever is claimed, and nothing else is taken for them against
/// its bytes. Of other files the claim stands: a document's bytes often say no more than "an archive".
pub(crate) fn of(head: &[u8], claim: Option<&str>) -> String {
    let claim = claim.map(str::trim).filter(|claim| is_mime(claim) && essence(claim) != UNKNOWN);
    let seen = infer::get(head).map(|kind| kind.mime_type());
    match (seen, claim) {
        (Some(seen), Some(claim)) if essence(claim) == seen || same_container(seen, claim) => {
            claim.to_owned()
        }
        (Some(seen), Some(claim)) if is_played(seen) || is_played(claim) => seen.to_owned(),
        (_, Some(claim)) => claim.to_owned(),
        (Some(seen), None) => seen.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// Whether `text` has the form of a MIME type: `type/subtype`, perhaps with parameters; at most 127 visible characters.
pub fn is_mime(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    text.len() <= 127
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && essence(text).split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

fn essence(mime: &str) -> &str {
    mime.split(';').next().unwrap_or_default().trim()
}

fn is_played(mime: &str) -> bool {
    ["image/", "audio/", "video/"].iter().any(|family| mime.starts_with(family))
}

fn same_container(seen: &str, claim: &str) -> bool {
    let of = |mime: &str| {
        CONTAINERS.iter().find(|(name, _)| *name == essence(mime)).map(|(_, container)| *container)
    };
    of(seen).is_some() && of(seen) == of(claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    const OGG: &[u8] = b"OggS\0\x02\0\0\0\0\0\0\0\0";
    const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0";
    const PDF: &[u8] = b"%PDF-1.7\n";

    #[test]
    fn bytes_beat_a_wrong_claim_where_something_is_played() {
        for (head, claim, is) in [
            (PNG, Some("image/jpeg"), "image/png"),
            (PNG, Some("application/pdf"), "image/png"),
            (PNG, None, "image/png"),
            (PDF, Some("image/png"), "application/pdf"),
            (OGG, Some("audio/ogg; codecs=opus"), "audio/ogg; codecs=opus"),
            (OGG, Some("audio/mpeg"), "audio/ogg"),
            (MP4, Some("audio/mp4"), "audio/mp4"),
            (MP4, Some("audio/ogg"), "video/mp4"),
            (ZIP, Some("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"),
            (ZIP, Some("application/octet-stream"), "application/zip"),
            (b"hello", Some("text/plain"), "text/plain"),
            (b"hello", Some("no type"), UNKNOWN),
            (b"hello", None, UNKNOWN),
            (b"", Some("text/\r\nx: y"), UNKNOWN),
        ] {
            assert_eq!(of(head, claim), is, "{claim:?}");
        }
    }
}
