// SPDX-License-Identifier: GPL-2.0

//! Words of firmware interfaces that have a few values only.

/// A value that the specification does not know in this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown(pub u64);

/// An enum whose values stand in one word of the interface.
macro_rules! word_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $value:expr, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum $name {
            $( $(#[$vmeta])* $variant = $value, )+
        }

        impl $name {
            /// Every value, in ascending order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
        }

        impl TryFrom<u64> for $name {
            type Error = $crate::word::Unknown;

            fn try_from(value: u64) -> Result<Self, $crate::word::Unknown> {
                match value {
                    $( $value => Ok(Self::$variant), )+
                    other => Err($crate::word::Unknown(other)),
                }
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> u64 {
                value as u64
            }
        }
    };
}
pub(crate) use word_enum;
