//! Where files lie, as an operator writes it down: a folder, or a bucket that speaks S3.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use object_store::aws::AmazonS3ConfigKey;
use url::Url;

/// Where files lie.
#[derive(Clone, PartialEq, Eq)]
pub enum MediaPlace {
    /// A folder; made when it is not there.
    Folder(PathBuf),
    /// A bucket of S3, or of anything that speaks like it.
    Bucket {
        /// Its name.
        name: String,
        /// What every key in it begins with; may be empty.
        prefix: String,
        /// Settings by their usual names: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
        /// `AWS_ENDPOINT_URL`, …
        settings: BTreeMap<String, String>,
    },
}

/// A place that is written wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be file:///a/folder or s3://bucket/prefix")]
pub struct PlaceError;

impl MediaPlace {
    /// From `file:///a/folder` or `s3://bucket/prefix`. For a bucket, those of `vars` that begin with `AWS_` and mean
    /// something are its settings.
    pub fn parse(text: &str, vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, PlaceError> {
        let url = Url::parse(text.trim()).map_err(|_| PlaceError)?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(PlaceError);
        }
        match (url.scheme(), url.host_str()) {
            ("file", None) => url.to_file_path().map(Self::Folder).map_err(|()| PlaceError),
            ("s3", Some(bucket)) => Ok(Self::Bucket {
                name: bucket.to_owned(),
                prefix: url.path().trim_matches('/').to_owned(),
                settings: vars.into_iter().filter(|(name, _)| setting(name).is_some()).collect(),
            }),
            _ => Err(PlaceError),
        }
    }
}

/// What a variable sets, if it is one of a bucket's.
pub(crate) fn setting(name: &str) -> Option<AmazonS3ConfigKey> {
    name.strip_prefix("AWS_")?;
    name.to_ascii_lowercase().parse().ok()
}

impl fmt::Display for MediaPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket { name, prefix, .. } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl fmt::Debug for MediaPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Among the settings are keys.
        write!(f, "MediaPlace({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MediaPlace, PlaceError> {
        let vars =
            [("AWS_SECRET_ACCESS_KEY", "hidden"), ("AWS_REGION", "eu"), ("AWS_PAGER", "less"), ("PORT", "1")];
        MediaPlace::parse(text, vars.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn a_folder_and_a_bucket_are_places() {
        assert_eq!(parse("file:///var/media"), Ok(MediaPlace::Folder("/var/media".into())));
        let bucket = parse("s3://files/rookery/").unwrap();
        let MediaPlace::Bucket { name, prefix, settings } = &bucket else { panic!("a bucket") };
        assert_eq!((name.as_str(), prefix.as_str()), ("files", "rookery"));
        assert_eq!(settings.keys().collect::<Vec<_>>(), ["AWS_REGION", "AWS_SECRET_ACCESS_KEY"]);
        assert!(!format!("{bucket:?} {bucket}").contains("hidden"));
    }

    #[test]
    fn nothing_else_is() {
        for text in
            ["", "/var/media", "https://x/y", "s3://", "s3://key@bucket/", "file://host/x", "s3://b/?x=1"]
        {
            assert_eq!(parse(text), Err(PlaceError), "{text}");
        }
    }
}
