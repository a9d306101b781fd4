//! What a benchmark is told on the command line.

/// The words after `--`.
#[derive(Debug, Clone)]
pub struct Args(Vec<String>);

impl Args {
    /// Those of this process.
    pub fn read() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Whether a word is there, for example `--json`.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    /// The number after a word, for example `--messages 1000`.
    ///
    /// # Panics
    /// When something else follows it.
    pub fn number(&self, name: &str, otherwise: usize) -> usize {
        match self.after(name) {
            None => otherwise,
            Some(word) => word.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {word:?}")),
        }
    }

    /// The numbers after a word, for example `--workers 1,2,4`.
    ///
    /// # Panics
    /// When something else follows it.
    pub fn numbers(&self, name: &str, otherwise: &[usize]) -> Vec<usize> {
        let Some(words) = self.after(name) else { return otherwise.to_vec() };
        let number =
            |word: &str| word.parse().unwrap_or_else(|_| panic!("{name} takes numbers, not {word:?}"));
        words.split(',').map(number).collect()
    }

    /// Whether a part was asked for: all are, unless `--only a,b` says which.
    pub fn wants(&self, part: &str) -> bool {
        self.after("--only").is_none_or(|parts| parts.split(',').any(|wanted| wanted == part))
    }

    fn after(&self, name: &str) -> Option<&str> {
        let place = self.0.iter().position(|word| word == name)?;
        Some(self.0.get(place + 1).map_or("", String::as_str))
    }
}
