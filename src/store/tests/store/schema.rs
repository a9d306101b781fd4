//! One SQL text, two engines: every statement prepares on both, and both have the same tables.

use std::collections::BTreeSet;

use sqlx::{Executor as _, Row as _, SqlSafeStr as _};

use crate::bench::{Bench, Raw, on_both};

on_both! {
    async fn every_statement_prepares(bench: &Bench) {
        let mut broken = Vec::new();
        for (name, sql) in store::statements() {
            let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
            let error = match &bench.raw {
                Raw::Sqlite(pool) => pool.prepare(sql.clone()).await.err(),
                Raw::Postgres(pool) => pool.prepare(sql.clone()).await.err(),
            };
            if let Some(error) = error {
                broken.push(format!("{name}: {error}\n{}", sql.as_str()));
            }
        }
        assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    }

    async fn a_database_of_this_release_opens_again(bench: &Bench) {
        let again = bench.another().await;
        assert_eq!(again.default_workspace().await.unwrap(), bench.workspace);
        again.close().await;
    }
}

/// Types that mean the same, by the name that `SQLite` has for them.
fn kind(postgres: &str) -> &'static str {
    match postgres {
        "uuid" | "bytea" => "BLOB",
        "text" | "timestamp with time zone" | "jsonb" => "TEXT",
        "bigint" | "boolean" => "INTEGER",
        "double precision" => "REAL",
        other => panic!("{other} has no counterpart in SQLite"),
    }
}

async fn of_sqlite(bench: &Bench) -> BTreeSet<String> {
    let Raw::Sqlite(pool) = &bench.raw else { unreachable!() };
    let mut facts = BTreeSet::new();
    let columns = sqlx::query(
        "SELECT t.name, c.name, c.type, c.\"notnull\" OR c.pk > 0 FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in columns {
        let (table, column, kind, required): (String, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("{table}.{column} {kind} required={required}"));
    }
    let indexes = sqlx::query(
        "SELECT t.name, i.\"unique\", i.partial, (SELECT group_concat(x.name) FROM pragma_index_info(i.name) x)
        FROM sqlite_schema t, pragma_index_list(t.name) i
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in indexes {
        let (table, unique, partial, columns): (String, bool, bool, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("index {table}({columns}) unique={unique} partial={partial}"));
    }
    let references = sqlx::query(
        "SELECT t.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) f
        WHERE t.type = 'table'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in references {
        let (table, column, other, key): (String, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("{table}.{column} -> {other}.{key}"));
    }
    facts
}

async fn of_postgres(bench: &Bench) -> BTreeSet<String> {
    let Raw::Postgres(pool) = &bench.raw else { unreachable!() };
    let mut facts = BTreeSet::new();
    let columns = sqlx::query(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO'
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in columns {
        let (table, column, name, required): (String, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("{table}.{column} {} required={required}", kind(&name)));
    }
    let indexes = sqlx::query(
        "SELECT t.relname::text, i.indisunique, i.indpred IS NOT NULL,
        (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum)
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = 'public' AND t.relname <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in indexes {
        let (table, unique, partial, columns): (String, bool, bool, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("index {table}({columns}) unique={unique} partial={partial}"));
    }
    let references = sqlx::query(
        "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, f.attname::text
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1] WHERE c.contype = 'f'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for row in references {
        let (table, column, other, key): (String, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.insert(format!("{table}.{column} -> {other}.{key}"));
    }
    facts
}

#[tokio::test]
async fn both_engines_have_the_same_tables() {
    let Some(postgres) = Bench::postgres().await else { return };
    let here = of_sqlite(&Bench::sqlite().await).await;
    let there = of_postgres(&postgres).await;
    // A primary key of whole numbers is the row's own number in SQLite and needs no index.
    let needless =
        ["queue_epoch(id)", "events(n)"].map(|key| format!("index {key} unique=true partial=false"));
    let there: BTreeSet<String> = there.into_iter().filter(|fact| !needless.contains(fact)).collect();
    let more: Vec<_> = here.difference(&there).collect();
    let more_there: Vec<_> = there.difference(&here).collect();
    assert!(
        more.is_empty() && more_there.is_empty(),
        "only in SQLite: {more:#?}\nonly in Postgres: {more_there:#?}"
    );
}
