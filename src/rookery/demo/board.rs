//! The live table: a line an account, and a bar for all.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Counts;
use super::scene::DemoAccount;
use super::tally::Tally;

pub(super) struct Board {
    all: MultiProgress,
    bar: ProgressBar,
    lines: Vec<(DemoAccount, ProgressBar)>,
    quiet: bool,
}

impl Board {
    /// A board for so many messages. Where nobody watches a terminal, only what is said is printed.
    pub(super) fn new(quiet: bool, expected: usize, accounts: &[DemoAccount]) -> Self {
        let all = MultiProgress::new();
        if quiet || !std::io::stderr().is_terminal() {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let plain = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let head = all.add(ProgressBar::new_spinner().with_style(plain.clone()));
        head.set_message(format!(
            "{:<10}{:>9}{:>9}{:>11}{:>7}{:>8}",
            "account", "waiting", "sent", "delivered", "read", "failed"
        ));
        let line = |account: &DemoAccount| {
            (account.clone(), all.add(ProgressBar::new_spinner().with_style(plain.clone())))
        };
        let lines = accounts.iter().map(line).collect();
        let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:40} {pos}/{len} done")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = all.add(ProgressBar::new(expected as u64).with_style(style));
        bar.enable_steady_tick(Duration::from_millis(200));
        head.tick();
        Self { all, bar, lines, quiet }
    }

    pub(super) fn show(&self, tally: &Tally) {
        let mut ended = 0;
        for (account, line) in &self.lines {
            let mut counts = Counts::new();
            for message in tally.messages.values().filter(|message| message.account_id == account.id) {
                *counts.entry(message.status.clone()).or_default() += 1;
            }
            let of = |status: &[&str]| status.iter().filter_map(|status| counts.get(*status)).sum::<usize>();
            let (read, failed) = (of(&["read"]), of(&["failed"]));
            ended += read + failed;
            line.set_message(format!(
                "{:<10}{:>9}{:>9}{:>11}{:>7}{:>8}",
                account.name,
                of(&["queued", "scheduled"]),
                of(&["sending", "sent", "delivered", "read"]),
                of(&["delivered", "read"]),
                read,
                failed,
            ));
        }
        self.bar.set_position(ended as u64);
    }

    /// Prints a line above the table.
    pub(super) fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.all.is_hidden() {
            println!("{text}");
        } else {
            drop(self.all.println(text));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}
