//! Calls of which nothing but the model's name is read: request and answer are passed on
//! as they are. All of them are in OpenAI's form.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passed {
    /// Pictures from words.
    ImageGeneration,
    /// Pictures from pictures and words.
    ImageEdit,
    /// Pictures like a picture.
    ImageVariation,
    /// Sound from words.
    Speech,
    /// Words from sound.
    Transcription,
    /// English words from sound.
    Translation,
    /// Whether words or pictures are harmful.
    Moderation,
    /// Texts in the order in which they fit a question.
    Rerank,
}

impl Passed {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ImageGeneration,
        Self::ImageEdit,
        Self::ImageVariation,
        Self::Speech,
        Self::Transcription,
        Self::Translation,
        Self::Moderation,
        Self::Rerank,
    ];

    /// Its path below the version, at the gateway as at its vendors.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ImageGeneration => "/images/generations",
            Self::ImageEdit => "/images/edits",
            Self::ImageVariation => "/images/variations",
            Self::Speech => "/audio/speech",
            Self::Transcription => "/audio/transcriptions",
            Self::Translation => "/audio/translations",
            Self::Moderation => "/moderations",
            Self::Rerank => "/rerank",
        }
    }

    /// The call at that path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|passed| passed.path() == path)
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::ImageGeneration => "the generation of images",
            Self::ImageEdit => "the editing of images",
            Self::ImageVariation => "variations of images",
            Self::Speech => "speech",
            Self::Transcription => "transcriptions",
            Self::Translation => "translations of speech",
            Self::Moderation => "moderations",
            Self::Rerank => "reranking",
        }
    }
}
