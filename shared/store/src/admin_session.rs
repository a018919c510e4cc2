//! A session of the admin app: a random token in a cookie, of which a keyed hash is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::admin_role::AdminRole;
use crate::secret::Secret;
use crate::vault::random;

/// Seconds after which a session ends, whatever happens.
pub(crate) const LIFETIME: i64 = 7 * 24 * 3600;
/// Seconds without a request after which it ends.
pub(crate) const IDLE: i64 = 24 * 3600;
/// Seconds after which the token is changed for a new one.
pub(crate) const ROTATION: i64 = 3600;
/// Seconds for which the token of before is still taken: requests that were on their way.
pub(crate) const GRACE: i64 = 60;
/// Seconds between two notes of a session's last use.
pub(crate) const SEEN: i64 = 60;
/// Seconds for which a set-up link opens.
pub(crate) const SET_UP: i64 = 24 * 3600;

/// From where a session comes.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The caller's address.
    pub address: Option<String>,
    /// What the caller says it is.
    pub user_agent: Option<String>,
}

/// A session that is in force.
#[derive(Debug, Clone)]
pub struct AdminSession {
    /// The session's id: the same as long as it lasts.
    pub id: i64,
    /// The person's id.
    pub user_id: i64,
    /// The person's name.
    pub user: String,
    /// What the person may do.
    pub role: AdminRole,
    /// The token that the browser is to have from now on, when it changes.
    pub token: Option<Secret>,
}

/// What came of a login.
#[derive(Debug)]
pub enum Login {
    /// A new session, with its token.
    Begun(AdminSession),
    /// No such person, another password, or switched off: which is not told.
    Refused,
}

/// A new token: 256 random bits.
pub(crate) fn token() -> Option<Secret> {
    let bytes: [u8; 32] = random()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}
