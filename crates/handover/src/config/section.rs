//! One place where a setting is written down: its name, type, shown value and meaning. The struct, the
//! reading of `handover.toml` and `handover.example.toml` all come from it.

/// A setting as the example file shows it.
pub struct Setting {
    pub name: &'static str,
    /// The value in TOML, as shown.
    pub shown: &'static str,
    pub presence: Presence,
    pub doc: &'static [&'static str],
}

/// Whether a setting must be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// The start stops without it.
    Required,
    /// The shown value holds when it is left out.
    Defaulted,
    /// Off when it is left out.
    Optional,
}

/// A table of `handover.toml`, as the example file shows it.
pub struct Section {
    pub key: &'static str,
    pub doc: &'static [&'static str],
    pub settings: &'static [Setting],
}

impl Section {
    /// The section as it stands in the example file.
    pub fn example(&self) -> String {
        let mut text = String::new();
        for line in self.doc {
            text.push_str(&format!("#{line}\n"));
        }
        text.push_str(&format!("[{}]\n", self.key));
        for setting in self.settings {
            for line in setting.doc {
                text.push_str(&format!("#{line}\n"));
            }
            let off = if setting.presence == Presence::Optional {
                "# "
            } else {
                ""
            };
            text.push_str(&format!("{off}{} = {}\n", setting.name, setting.shown));
        }
        text
    }
}

/// Reads a setting's shown value as its type, for a setting that was left out.
///
/// # Errors
/// Only when a shown value is not of the setting's type, which a test rules out.
pub fn shown_value<T: serde::de::DeserializeOwned>(shown: &str) -> Result<T, toml::de::Error> {
    #[derive(serde::Deserialize)]
    struct One<T> {
        value: T,
    }
    toml::from_str::<One<T>>(&format!("value = {shown}")).map(|one| one.value)
}

/// Declares a section: `field: Type = "shown value in TOML", presence;`, each with its doc comment.
macro_rules! section {
    ($(#[doc = $about:literal])* $name:ident in $key:literal {
        $( $(#[doc = $doc:literal])* $field:ident : $ty:ty = $shown:literal, $presence:ident; )*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub struct $name { $( $(#[doc = $doc])* pub $field: $ty, )* }

        impl $name {
            /// What the example file says of this section.
            pub const SECTION: $crate::config::section::Section = $crate::config::section::Section {
                key: $key,
                doc: &[$($about),*],
                settings: &[$( $crate::config::section::Setting {
                    name: stringify!($field),
                    shown: $shown,
                    presence: section!(@presence $presence),
                    doc: &[$($doc),*],
                } ),*],
            };
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Given { $( $field: Option<section!(@inner $presence $ty)>, )* }
                let given = Given::deserialize(from)?;
                Ok($name { $( $field: section!(@fill $presence given $field $key $shown), )* })
            }
        }
    };
    (@presence required) => { $crate::config::section::Presence::Required };
    (@presence default) => { $crate::config::section::Presence::Defaulted };
    (@presence optional) => { $crate::config::section::Presence::Optional };
    (@inner $presence:ident $ty:ty) => { $ty };
    (@fill required $given:ident $field:ident $key:literal $shown:literal) => {
        $given.$field.ok_or_else(|| serde::de::Error::custom(
            concat!("[", $key, "] needs `", stringify!($field), "`, for example ", stringify!($field), " = ", $shown)))?
    };
    (@fill default $given:ident $field:ident $key:literal $shown:literal) => {
        match $given.$field {
            Some(value) => value,
            None => $crate::config::section::shown_value($shown).map_err(serde::de::Error::custom)?,
        }
    };
    (@fill optional $given:ident $field:ident $key:literal $shown:literal) => {
        $given.$field.flatten()
    };
}
pub(crate) use section;
