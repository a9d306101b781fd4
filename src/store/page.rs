//! Cursor pagination: a cursor names the last row seen, so pages neither skip nor repeat while rows are added.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// Which part of a listing.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// Go on after this row.
    pub cursor: Option<Cursor>,
    /// At most so many rows.
    pub limit: u32,
}

/// The place of a row in its listing. Opaque outside: base64 of its time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The row's place in time.
    pub at: Timestamp,
    /// The row's id, which decides between equal times.
    pub id: Uuid,
}

/// A part of a listing.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; none on the last one.
    pub next_cursor: Option<String>,
}

impl Cursor {
    /// Before every row of a listing in rising order.
    pub const START: Self = Self { at: Timestamp::ZERO, id: Uuid::nil() };
    /// Before every row of a listing in falling order: the year 9999.
    pub const END: Self = Self { at: Timestamp::from_micros(253_370_764_800_000_000), id: Uuid::max() };

    /// The form handed out.
    pub fn encode(self) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.at.as_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the form handed out; none if it is not one.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: [u8; 24] = bytes.try_into().ok()?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        let at = Timestamp::from_micros(i64::from_be_bytes(*at));
        (at >= Self::START.at && at <= Self::END.at).then_some(Self { at, id: Uuid::from_slice(id).ok()? })
    }
}

impl PageRequest {
    /// Rows to ask the database for: one more than wanted tells whether there is a next page.
    pub(crate) fn probe(self) -> i64 {
        i64::from(self.limit) + 1
    }
}

impl<T> Page<T> {
    /// From the rows of a probe.
    pub(crate) fn of(mut rows: Vec<T>, request: PageRequest, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = request.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = more.then(|| rows.last().map(|row| cursor(row).encode())).flatten();
        Self { data: rows, next_cursor }
    }
}
