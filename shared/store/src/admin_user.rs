//! A person of the admin app: name, role and password.
//!
//! Of a password only an Argon2id hash is kept. Hashing takes tens of milliseconds and
//! 19 MiB on purpose.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use crate::admin_role::AdminRole;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::secret::Secret;
use crate::vault::{from_hex, hex, random};

/// Fewest characters of a password.
const SHORTEST: usize = 10;
/// Most bytes of a password: hashing more tells nothing.
const LONGEST: usize = 1024;
/// Memory in KiB and passes over it, one lane: what OWASP's password storage guidance asks
/// for at least.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// A person as the admin app shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdminUserRow {
    /// The row's id.
    pub id: i64,
    /// The name, unique without regard to capitals.
    pub name: String,
    /// What the person may do.
    pub role: AdminRole,
    /// Whether the person can log in.
    pub enabled: bool,
    /// Unix seconds.
    pub last_login_at: Option<i64>,
    /// From where.
    pub last_login_ip: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
}

/// A checked new person.
#[derive(Debug)]
pub struct NewAdminUser {
    pub(crate) name: String,
    pub(crate) password: Password,
    pub(crate) role: AdminRole,
}

impl NewAdminUser {
    /// Checks what was typed.
    ///
    /// # Errors
    /// The fields `user` and `password`.
    pub fn check(name: &str, password: &Secret, role: AdminRole) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let name = name.trim();
        let is_good = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
        if name.is_empty() || name.chars().count() > 100 || !name.chars().all(is_good) {
            let why = "must be 1 to 100 letters, digits or any of . _ - @ +";
            errors.add("user", why);
        }
        let password = Password::check(password, name)
            .map_err(|why| errors.add("password", why))
            .ok();
        match password {
            Some(password) if errors.is_empty() => Ok(Self {
                name: name.to_owned(),
                password,
                role,
            }),
            Some(_) | None => Err(errors),
        }
    }
}

/// A password that may be set.
#[derive(Debug)]
pub struct Password(Secret);

impl Password {
    /// Checks a password for the person `name`.
    ///
    /// # Errors
    /// What it has to be.
    pub fn check(password: &Secret, name: &str) -> Result<Self, String> {
        let text = password.expose();
        let count = text.chars().count();
        if count < SHORTEST {
            return Err(format!("must have at least {SHORTEST} characters"));
        }
        if text.len() > LONGEST {
            return Err(format!("must have at most {LONGEST} bytes"));
        }
        let mut distinct: Vec<char> = text.chars().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < 4 || text.eq_ignore_ascii_case(name) {
            return Err("is too easy to guess: use several words or a generated one".to_owned());
        }
        Ok(Self(password.clone()))
    }

    /// The text that is kept of it.
    pub(crate) fn hash(&self) -> Result<String, StoreError> {
        let salt: [u8; 32] = random().ok_or(StoreError::NoRandomness)?;
        let hash = hash(self.0.expose(), &salt, MEMORY, PASSES).ok_or(StoreError::NoRandomness)?;
        Ok(format!(
            "argon2id:{MEMORY}:{PASSES}:{}:{}",
            hex(&salt),
            hex(&hash)
        ))
    }
}

/// Whether `password` is the one that `kept` was made of. Without a person the same work is
/// done in vain, so that the time does not tell whether there is one.
pub(crate) fn is_password(kept: Option<&str>, password: &Secret) -> bool {
    const NOBODY: &str = "argon2id:19456:2:\
        0000000000000000000000000000000000000000000000000000000000000000:\
        0000000000000000000000000000000000000000000000000000000000000000";
    let Some((memory, passes, salt, expected)) = parse(kept.unwrap_or(NOBODY)) else {
        return false;
    };
    if password.expose().len() > LONGEST {
        return false;
    }
    let found = hash(password.expose(), &salt, memory, passes);
    found.is_some_and(|found| bool::from(found.as_slice().ct_eq(&expected))) && kept.is_some()
}

fn parse(kept: &str) -> Option<(u32, u32, Vec<u8>, Vec<u8>)> {
    let mut parts = kept.split(':');
    let is_ours = parts.next()? == "argon2id";
    let memory = parts.next()?.parse().ok()?;
    let passes = parts.next()?.parse().ok()?;
    let salt = from_hex(parts.next()?)?;
    let hash = from_hex(parts.next()?)?;
    (is_ours && parts.next().is_none()).then_some((memory, passes, salt, hash))
}

fn hash(password: &str, salt: &[u8], memory: u32, passes: u32) -> Option<[u8; 32]> {
    let params = Params::new(memory, passes, 1, Some(32)).ok()?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = [0; 32];
    argon
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{NewAdminUser, Password, is_password};
    use crate::admin_role::AdminRole;
    use crate::secret::Secret;

    #[test]
    fn a_hash_is_of_its_password_alone_and_salted() {
        let secret = Secret::new("correct horse battery");
        let password = Password::check(&secret, "ada").unwrap();
        let (one, other) = (password.hash().unwrap(), password.hash().unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("argon2id:19456:2:") && !one.contains("horse"));
        assert!(is_password(Some(&one), &secret) && is_password(Some(&other), &secret));
        assert!(!is_password(
            Some(&one),
            &Secret::new("correct horse batterz")
        ));
        for kept in [None, Some(""), Some("plain"), Some("argon2id:x:2:00:00")] {
            assert!(!is_password(kept, &secret), "{kept:?}");
        }
    }

    #[test]
    fn names_and_passwords_are_checked_together() {
        let long = "x1y2".repeat(257);
        for (name, password, bad) in [
            ("ada", "0123456789", None),
            ("", "0123456789", Some("user")),
            ("a b", "0123456789", Some("user")),
            ("<b>", "0123456789", Some("user")),
            ("ada", "short", Some("password")),
            ("ada", "aaaaaaaaaaaa", Some("password")),
            ("ada.lovelace", "Ada.Lovelace", Some("password")),
            ("ada", &long, Some("password")),
        ] {
            let found = NewAdminUser::check(name, &Secret::new(password), AdminRole::Admin);
            let found = found.err();
            assert_eq!(found.is_some(), bad.is_some(), "{name} {password}");
            if let (Some(errors), Some(field)) = (found, bad) {
                assert!(errors.get(field).is_some(), "{errors}");
            }
        }
    }
}
