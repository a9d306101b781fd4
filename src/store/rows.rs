//! Many rows in one statement, whose text is the same however many there are.
//!
//! Postgres prepares a text once a connection: it takes each column as an array. `SQLite` has no arrays, but prepares in no
//! time: it takes the values one by one.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Database, Postgres, QueryBuilder, Sqlite};
use uuid::Uuid;

/// The values of a column, one a row.
pub(crate) enum Column<'a> {
    Uuid(Vec<Option<Uuid>>),
    Text(Vec<Option<&'a str>>),
    Integer(Vec<Option<i64>>),
    Time(Vec<Option<DateTime<Utc>>>),
    Bool(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Json(Vec<Option<Json<Value>>>),
}

/// Rows under the name `v`, in front of the statement that takes them.
pub(crate) struct Rows<'a, T> {
    items: Vec<&'a T>,
    columns: Vec<(&'static str, Column<'a>)>,
}

/// Adds a column: its name, and what it has of each row.
macro_rules! column {
    ($(#[$meta:meta])* $name:ident, $kind:ident, $value:ty) => {
        $(#[$meta])*
        pub(crate) fn $name<V: Into<Option<$value>>>(mut self, name: &'static str, of: impl Fn(&'a T) -> V) -> Self {
            let values = self.items.iter().map(|item| of(item).into()).collect();
            self.columns.push((name, Column::$kind(values)));
            self
        }
    };
}

impl<'a, T> Rows<'a, T> {
    /// A row for each of these; there must be one at least.
    pub(crate) fn of(items: impl IntoIterator<Item = &'a T>) -> Self {
        Self { items: items.into_iter().collect(), columns: Vec::new() }
    }

    column!(uuid, Uuid, Uuid);
    column!(text, Text, &'a str);
    column!(integer, Integer, i64);
    column!(time, Time, DateTime<Utc>);
    column!(bool, Bool, bool);
    column!(bytes, Bytes, Vec<u8>);

    pub(crate) fn json<V: Into<Option<Value>>>(
        mut self,
        name: &'static str,
        of: impl Fn(&'a T) -> V,
    ) -> Self {
        let values = self.items.iter().map(|item| of(item).into().map(Json)).collect();
        self.columns.push((name, Column::Json(values)));
        self
    }

    /// A statement that takes them.
    pub(crate) fn query<D: Engine>(self, statement: &str) -> QueryBuilder<D> {
        let (names, columns): (Vec<_>, Vec<_>) = self.columns.into_iter().unzip();
        let mut query = D::begin(&names.join(", "), self.items.len(), columns);
        query.push(statement);
        query
    }

    /// Puts them into a table whose columns have their names; `rest` says what is done about conflicts.
    pub(crate) fn insert<D: Engine>(self, table: &str, rest: &str) -> QueryBuilder<D> {
        let names = self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        // Without a condition, SQLite takes a conflict's ON for that of a join.
        self.query(&format!("INSERT INTO {table} ({names}) SELECT {names} FROM v WHERE true {rest}"))
    }
}

/// How an engine takes rows.
pub(crate) trait Engine: Database {
    fn begin(names: &str, count: usize, columns: Vec<Column<'_>>) -> QueryBuilder<Self>;
}

impl Engine for Postgres {
    fn begin(names: &str, _: usize, columns: Vec<Column<'_>>) -> QueryBuilder<Self> {
        let mut query = QueryBuilder::new("WITH v AS (SELECT * FROM unnest(");
        for (place, column) in columns.into_iter().enumerate() {
            if place > 0 {
                query.push(", ");
            }
            match column {
                Column::Uuid(values) => query.push_bind(values).push("::uuid[]"),
                Column::Text(values) => query.push_bind(values).push("::text[]"),
                Column::Integer(values) => query.push_bind(values).push("::bigint[]"),
                Column::Time(values) => query.push_bind(values).push("::timestamptz[]"),
                Column::Bool(values) => query.push_bind(values).push("::boolean[]"),
                Column::Bytes(values) => query.push_bind(values).push("::bytea[]"),
                Column::Json(values) => query.push_bind(values).push("::jsonb[]"),
            };
        }
        query.push(format_args!(") AS v ({names})) "));
        query
    }
}

impl Engine for Sqlite {
    fn begin(names: &str, count: usize, mut columns: Vec<Column<'_>>) -> QueryBuilder<Self> {
        let mut query = QueryBuilder::new(format!("WITH v ({names}) AS ("));
        query.push_values(0..count, |mut row, place| {
            for column in &mut columns {
                match column {
                    Column::Uuid(values) => row.push_bind(values[place]),
                    Column::Text(values) => row.push_bind(values[place]),
                    Column::Integer(values) => row.push_bind(values[place]),
                    Column::Time(values) => row.push_bind(values[place]),
                    Column::Bool(values) => row.push_bind(values[place]),
                    Column::Bytes(values) => row.push_bind(values[place].take()),
                    Column::Json(values) => row.push_bind(values[place].take()),
                };
            }
        });
        query.push(") ");
        query
    }
}
