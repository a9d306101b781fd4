//! Figures, told as a table for people and as JSON for whatever compares them.

use std::fs;
use std::process::Command;

use model::{Clock, SystemClock};
use serde_json::{Value, json};

use super::Args;
use super::statistics::median;

/// More runnable processes than this before a benchmark begins, and its absolute figures are noise.
const QUIET: f64 = 0.7;

/// All figures of one benchmark.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    as_json: bool,
    machine: Value,
    rows: Vec<Row>,
}

/// One figure: what several runs gave, and what it is compared with.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    unit: &'static str,
    ours: Vec<f64>,
    beside: Vec<(String, Vec<f64>)>,
    goal: Option<String>,
}

impl Row {
    /// What was measured in `unit`, in each run.
    pub fn new(what: impl Into<String>, unit: &'static str, ours: Vec<f64>) -> Self {
        Self { what: what.into(), unit, ours, beside: Vec::new(), goal: None }
    }

    /// The same of somebody else, in the same run; nothing where it was not measured.
    #[must_use]
    pub fn beside(mut self, who: &str, theirs: Vec<f64>) -> Self {
        if !theirs.is_empty() {
            self.beside.push((who.to_owned(), theirs));
        }
        self
    }

    /// What DESIGN.md asks for.
    #[must_use]
    pub fn goal(mut self, goal: &str) -> Self {
        self.goal = Some(goal.to_owned());
        self
    }

    fn json(&self) -> Value {
        let ours = median(self.ours.clone());
        let beside = self.beside.iter().map(|(who, theirs)| {
            let theirs = median(theirs.clone());
            json!({"what": who, "value": theirs, "ratio": ours / theirs})
        });
        json!({
            "what": self.what, "unit": self.unit, "value": ours, "runs": self.ours,
            "beside": beside.collect::<Vec<_>>(), "goal": self.goal,
        })
    }

    fn line(&self) -> String {
        let ours = median(self.ours.clone());
        let (least, most) =
            self.ours.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        let spread = if self.ours.len() > 1 {
            format!("{} to {}", short(least), short(most))
        } else {
            "one run".to_owned()
        };
        let beside: Vec<String> = self
            .beside
            .iter()
            .map(|(who, theirs)| {
                let theirs = median(theirs.clone());
                format!("{who} {}: {:.2}", short(theirs), ours / theirs)
            })
            .collect();
        format!(
            "| {} | {} {} | {spread} | {} | {} |",
            self.what,
            short(ours),
            self.unit,
            beside.join("; "),
            self.goal.as_deref().unwrap_or("")
        )
    }
}

impl Report {
    /// Begins a benchmark; says so, and on what machine.
    pub fn begin(name: &'static str, args: &Args) -> Self {
        let machine = machine();
        eprintln!("{name}: {machine}");
        Self { name, as_json: args.has("--json"), machine, rows: Vec::new() }
    }

    /// Adds a figure, and shows it at once to whoever watches.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}: {}", self.name, row.line());
        self.rows.push(row);
    }

    /// Prints all of it: one line of JSON if that was asked for, else a table.
    pub fn print(&self) {
        if self.as_json {
            let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
            println!("{}", json!({"benchmark": self.name, "machine": self.machine, "rows": rows}));
            return;
        }
        println!("{}: {}", self.name, self.machine);
        println!("| what | median | runs | beside it, and ratio | to reach |");
        println!("|---|---|---|---|---|");
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

/// What the figures were taken on, and whether others were busy there.
fn machine() -> Value {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().and_then(|load| load.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    };
    json!({
        "at": SystemClock.now().to_string(),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "processor": line("/proc/cpuinfo", "model name"),
        "memory": line("/proc/meminfo", "MemTotal"),
        "load_before": load,
        "quiet": load < QUIET,
        "redis": version("redis-server"),
        "node": version("node"),
    })
}

fn version(program: &str) -> String {
    let told = Command::new(program).arg("--version").output();
    told.map_or_else(|_| "none".to_owned(), |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// A number as people read it: three digits that count, or whole.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_read_them() {
        assert_eq!([0.126, 12.34, 123.4, 1_234_567.0].map(short), ["0.13", "12.3", "123", "1,234,567"]);
    }

    #[test]
    fn a_row_tells_its_median_and_how_it_compares() {
        let row = Row::new("sends", "/s", vec![30.0, 10.0, 20.0]).beside("peer", vec![5.0]).goal("3 times");
        assert_eq!(row.line(), "| sends | 20.0 /s | 10.0 to 30.0 | peer 5.00: 4.00 | 3 times |");
        assert_eq!(row.json()["beside"][0]["ratio"], 4.0);
    }
}
