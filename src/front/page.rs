//! Listings: a cursor, a limit, and what a key sees of them.

use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::{Cursor, Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Rows of a page when the caller does not say.
const USUAL: u32 = 50;
/// Most rows of a page.
pub(crate) const MOST: u32 = 200;

/// Which part of a listing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given. A key that is limited to accounts may see fewer.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Reads the part of a listing that was asked for.
pub(crate) fn request(cursor: Option<&str>, limit: Option<u32>) -> Result<PageRequest, Problem> {
    Ok(PageRequest {
        cursor: cursor.map(|text| read_cursor("cursor", text)).transpose()?,
        limit: self::limit(limit)?,
    })
}

/// Reads a cursor.
pub(crate) fn read_cursor(field: &str, text: &str) -> Result<Cursor, Problem> {
    Cursor::decode(text).ok_or_else(|| Problem::field(field, "invalid", "not a cursor of ours"))
}

/// Reads a limit.
pub(crate) fn limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::field("limit", "out_of_range", format!("must lie within 1 and {MOST}"))),
    }
}

impl Paging {
    /// As the store wants it.
    pub(crate) fn request(&self) -> Result<PageRequest, Problem> {
        request(self.cursor.as_deref(), self.limit)
    }
}

/// A part of a listing, as it is documented.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

/// The rows of a page that `visible` admits. The cursor stays: a page may be shorter than its limit.
pub(crate) fn answer<T: Serialize>(page: Page<T>, visible: impl Fn(&T) -> bool) -> Response {
    axum::Json(Listing {
        data: page.data.into_iter().filter(visible).collect::<Vec<_>>(),
        next_cursor: page.next_cursor,
    })
    .into_response()
}
