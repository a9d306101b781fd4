//! `rookery doctor`: looks at everything that a start needs, and says what to do about what is wrong.

use std::sync::Arc;

use media::MediaStore;
use model::{Clock, Ids, SystemClock};

use crate::Failure;
use crate::config::{Config, Engines};
use crate::data::DataFolder;
use crate::parts::{self, open_store};

/// Checks one thing after the other; what depends on something broken is left out.
pub(crate) async fn run() -> Result<(), Failure> {
    let mut broken = 0;
    let mut say = |what: &str, result: Result<String, String>| match result {
        Ok(detail) => println!("ok      {what}: {detail}"),
        Err(problem) => {
            broken += 1;
            println!("BROKEN  {what}: {problem}");
        }
    };
    let config = match Config::from_env() {
        Ok(config) => {
            let mode = match config.engines {
                Engines::Embedded => "one process on SQLite and memory",
                Engines::Fleet { .. } => "a fleet on Postgres and Redis",
            };
            say("configuration", Ok(mode.to_owned()));
            config
        }
        Err(error) => {
            say("configuration", Err(error.to_string()));
            return Err(Failure::Other("the configuration is wrong; nothing else was checked".to_owned()));
        }
    };
    let folder = match config.engines {
        Engines::Embedded => match DataFolder::visit(&config.data) {
            Ok(folder) => {
                say("data folder", Ok(folder.path().display().to_string()));
                Some(folder)
            }
            Err(error) => {
                say("data folder", Err(error.to_string()));
                None
            }
        },
        Engines::Fleet { .. } => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if matches!(config.engines, Engines::Fleet { .. }) || folder.is_some() {
        match open_store(&config, folder.as_ref(), clock, Arc::new(Ids::from_os())).await {
            Ok(store) => {
                say(
                    "database",
                    store.ping().await.map(|()| "answers".to_owned()).map_err(|error| error.to_string()),
                );
                store.close().await;
            }
            Err(error) => say("database", Err(error.to_string())),
        }
    }
    let media = parts::http(&config).and_then(|http| Ok(MediaStore::open(config.media.clone(), &http)?));
    let media = match media {
        Ok(media) => media.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    say("media files", media.map(|()| config.media.to_string()));
    for (channel, url) in &config.base_urls {
        say("provider address", Ok(format!("{channel} at {url} instead of its usual place")));
    }
    if broken == 0 { Ok(()) } else { Err(Failure::Other(format!("{broken} of the checks failed"))) }
}
