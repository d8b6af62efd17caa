//! What a loader refuses, in the ROM's numbers and in the stub's.

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command is not known.
    Unknown,
    /// The data has not the length that the command wants.
    Length,
    Checksum,
    /// Data came without a beginning.
    NotBegun,
    /// The command is right but cannot be carried out.
    Failed,
    Write,
    Read,
    Inflate,
    TooMuch,
}

impl Fault {
    /// Second of the ROM's four status bytes; the first is 1. Source: esptool documentation, "Serial Protocol", "Errors".
    pub const fn rom(self) -> u8 {
        match self {
            Self::Unknown | Self::Length => 0x05,
            Self::NotBegun | Self::Failed | Self::TooMuch => 0x06,
            Self::Checksum => 0x07,
            Self::Write => 0x08,
            Self::Read => 0x09,
            Self::Inflate => 0x0B,
        }
    }

    /// First of the stub's two status bytes; the second is 0. Source: esp-flasher-stub, `commands.h`.
    pub const fn stub(self) -> u8 {
        match self {
            Self::Length => 0xC0,
            Self::Checksum => 0xC1,
            Self::Unknown => 0xC3,
            Self::Failed | Self::Write | Self::Read => 0xC4,
            Self::NotBegun => 0xC6,
            Self::Inflate => 0xC7,
            Self::TooMuch => 0xC9,
        }
    }
}
