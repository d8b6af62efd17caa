//! The few registers of an ESP32-S3 that clients of its loader read and write.
//!
//! Sources: the ESP32-S3 technical reference manual (eFuse, SPI1, RTC watchdog, strapping), and what espflash 4.7.0 and
//! esptool 5.6.0 were seen to ask for. Any other address reads 0, and what is written to it is forgotten.

use std::collections::HashMap;

/// Low 32 bits of the MAC, and the high 16.
const MAC_LOW: u32 = 0x6000_7044;
const MAC_HIGH: u32 = 0x6000_7048;

const SPI_COMMAND: u32 = 0x6000_2000;
/// SPI1's registers from the command on to the last of its 16 words of data.
const SPI: std::ops::Range<u32> = SPI_COMMAND..0x6000_2098;
const SPI_ADDRESS: u32 = 0x6000_2004;
const SPI_USER2: u32 = 0x6000_2020;
const SPI_DATA_IN_BITS: u32 = 0x6000_2028;
const SPI_W0: u32 = 0x6000_2058;
/// In the command register: carry out the command that the other registers describe.
const SPI_GO: u32 = 1 << 18;

const WATCHDOG_CONFIG: u32 = 0x6000_8098;
const WATCHDOG_UNLOCK: u32 = 0x6000_80B0;
const WATCHDOG_KEY: u32 = 0x50D8_3AA1;
const WATCHDOG_ON: u32 = 1 << 31;

/// Registers that always read the same: revision v0.2, 8 MB of PSRAM, no secure boot, no encryption. The strapping
/// register (0x6000_4038) reads 0 like any other: download mode.
const FIXED: [(u32, u32); 4] = [
    (0x4000_1000, 0x0000_0009), // the chip's number, for clients that do not ask for the security info
    (0x6000_7050, 2 << 18 | 3 << 24), // wafer minor 2, block minor 3
    (0x6000_7054, 1 << 3 | 1 << 7), // PSRAM
    (0x6000_706C, 1),           // block major
];

/// The flash chip's answer to "read identification" (9F): Winbond, and 2^22 bytes.
const FLASH_ID: u32 = 0x16_40EF;
/// `SFDP`, the beginning of the flash chip's description of itself.
const SFDP: u32 = u32::from_le_bytes(*b"SFDP");

/// The registers of one chip.
#[derive(Debug, Default)]
pub struct Registers {
    mac: [u8; 6],
    spi: HashMap<u32, u32>,
    is_watchdog_unlocked: bool,
    is_watchdog_on: bool,
}

/// What a write did to the watchdog, which resets the chip once it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchdog {
    On,
    /// It is on, and its registers are locked again: the client is done with it.
    OnAndLocked,
}

impl Registers {
    pub fn new(mac: [u8; 6]) -> Self {
        Self { mac, ..Self::default() }
    }

    pub fn read(&self, address: u32) -> u32 {
        let [a, b, c, d, e, f] = self.mac;
        match address {
            MAC_LOW => u32::from_be_bytes([c, d, e, f]),
            MAC_HIGH => u32::from_be_bytes([0, 0, a, b]),
            address if SPI.contains(&address) => self.spi.get(&address).copied().unwrap_or(0),
            address => FIXED.iter().find(|(at, _)| *at == address).map_or(0, |(_, value)| *value),
        }
    }

    /// Writes the bits of `value` that are set in `mask`. What that did to the watchdog, if it is on.
    pub fn write(&mut self, address: u32, value: u32, mask: u32) -> Option<Watchdog> {
        let value = value & mask | self.read(address) & !mask;
        match address {
            SPI_COMMAND if value & SPI_GO != 0 => self.talk_to_flash(),
            address if SPI.contains(&address) => _ = self.spi.insert(address, value),
            WATCHDOG_UNLOCK => {
                self.is_watchdog_unlocked = value == WATCHDOG_KEY;
                return (self.is_watchdog_on && !self.is_watchdog_unlocked).then_some(Watchdog::OnAndLocked);
            }
            WATCHDOG_CONFIG if self.is_watchdog_unlocked => {
                self.is_watchdog_on = value & WATCHDOG_ON != 0;
                return self.is_watchdog_on.then_some(Watchdog::On);
            }
            _ => {}
        }
        None
    }

    /// Carries out the flash command in the registers; it is done at once.
    fn talk_to_flash(&mut self) {
        let bits = self.read(SPI_DATA_IN_BITS) + 1;
        let answer = match self.read(SPI_USER2) & 0xFF {
            0x9F => FLASH_ID,
            // A description at an address of 24 bits; there is nothing behind its beginning.
            0x5A if self.read(SPI_ADDRESS) >> 8 == 0 => SFDP,
            _ => 0,
        };
        let answer = if bits < 32 { answer & ((1 << bits) - 1) } else { answer };
        self.spi.insert(SPI_W0, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Registers {
        Registers::new([0x7C, 0xDF, 0xA1, 0xE0, 0x00, 0x01])
    }

    #[test]
    fn the_mac_lies_in_two_registers() {
        assert_eq!((registers().read(MAC_LOW), registers().read(MAC_HIGH)), (0xA1E0_0001, 0x7CDF));
    }

    #[test]
    fn the_flash_chip_tells_its_size() {
        let mut registers = registers();
        for (address, value) in
            [(SPI_USER2, 7 << 28 | 0x9F), (SPI_DATA_IN_BITS, 23), (SPI_W0, 0), (SPI_COMMAND, SPI_GO)]
        {
            assert_eq!(registers.write(address, value, u32::MAX), None);
        }
        assert_eq!(registers.read(SPI_COMMAND), 0, "done");
        assert_eq!(1 << (registers.read(SPI_W0) >> 16), super::super::super::flash::SIZE);
    }

    #[test]
    fn the_watchdog_must_be_unlocked_and_a_mask_leaves_other_bits() {
        let mut registers = registers();
        assert_eq!(registers.write(WATCHDOG_CONFIG, WATCHDOG_ON, u32::MAX), None);
        registers.write(WATCHDOG_UNLOCK, WATCHDOG_KEY, u32::MAX);
        assert_eq!(registers.write(WATCHDOG_CONFIG, 0, u32::MAX), None, "switched off");
        assert_eq!(registers.write(WATCHDOG_UNLOCK, 0, u32::MAX), None, "and stays off");
        registers.write(WATCHDOG_UNLOCK, WATCHDOG_KEY, u32::MAX);
        assert_eq!(registers.write(WATCHDOG_CONFIG, WATCHDOG_ON | 2, u32::MAX), Some(Watchdog::On));
        assert_eq!(registers.write(WATCHDOG_UNLOCK, 0, u32::MAX), Some(Watchdog::OnAndLocked));
        registers.write(SPI_USER2, 0xABCD, u32::MAX);
        registers.write(SPI_USER2, 0x00FF, 0x0F0F);
        assert_eq!(registers.read(SPI_USER2), 0xA0CF);
    }
}
