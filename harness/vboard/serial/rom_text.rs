//! What the chip says before and after its firmware: ROM, boot loader, panic handler.
//!
//! Source of the wording: ESP-IDF 4.4 (`panic.c`, the bootloader) and the ROM of the ESP32-S3 as its users quote it; no
//! chip was asked. The registers of a panic are those of the emulated CPU under the names that an ESP32-S3's panic
//! handler has for them: A0 is the return address, A1 the stack pointer.

use crate::digest::Sha;
use crate::vboard::boot::ResetReason;
use crate::vboard::mailbox::PanicRecord;

/// What the ROM says in download mode.
pub const WAITING: &str = "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n\
    rst:0x15 (USB_UART_CHIP_RESET),boot:0x0 (DOWNLOAD(USB/UART0))\r\nwaiting for download\r\n";

/// What the ROM says when it boots from flash.
pub fn boot(reason: ResetReason) -> String {
    let reason = match reason {
        ResetReason::PowerOn => "0x1 (POWERON)",
        ResetReason::Software | ResetReason::Panic => "0xc (RTC_SW_CPU_RST)",
        ResetReason::Watchdog => "0x7 (TG0WDT_SYS_RST)",
    };
    format!(
        "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\nrst:{reason},boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n\
         SPIWP:0xee\r\nmode:DIO, clock div:1\r\nload:0x3fce3808,len:0x44c\r\nload:0x403c9700,len:0xbe4\r\n\
         load:0x403cc700,len:0x2a68\r\nentry 0x403c98d4\r\n"
    )
}

/// What the boot loader says when no application can be started.
pub fn no_app(reason: &str) -> String {
    format!("E (75) boot: {reason}\r\nE (80) boot: No bootable app partitions in the partition table\r\n")
}

/// What the panic handler says; `elf_sha256` is the application's.
pub fn panic(record: &PanicRecord, elf_sha256: Option<Sha>) -> String {
    let PanicRecord { pc, value, ra, sp, .. } = *record;
    // A return address lies behind the call; a backtrace names the call.
    let caller = ra.saturating_sub(2);
    let head = match record.reason {
        3 => format!("\r\nabort() was called at PC 0x{pc:08x} on core 1\r\n"),
        _ => format!(
            "Guru Meditation Error: Core  1 panic'ed ({}). Exception was unhandled.\r\n",
            exception(record)
        ),
    };
    let sha = elf_sha256.map(|sha| sha.to_string()).unwrap_or_default();
    format!(
        "{head}\r\nCore  1 register dump:\r\n\
         PC      : 0x{pc:08x}  PS      : 0x00060330  A0      : 0x{ra:08x}  A1      : 0x{sp:08x}\r\n\
         EXCCAUSE: 0x{:08x}  EXCVADDR: 0x{value:08x}\r\n\r\n\
         Backtrace: 0x{pc:08x}:0x{sp:08x} 0x{caller:08x}:0x{sp:08x}\r\n\r\n\r\n\
         ELF file SHA256: {}\r\n\r\nRebooting...\r\n",
        record.cause,
        sha.get(..16).unwrap_or(&sha),
    )
}

/// The name that the ESP32-S3 has for what happened.
const fn exception(record: &PanicRecord) -> &'static str {
    match (record.reason, record.cause) {
        (2, _) => "Interrupt wdt timeout on CPU1",
        (4, _) => "Unhandled debug exception",
        (_, 1) => "InstrFetchProhibited",
        (_, 2) => "IllegalInstruction",
        (_, 4 | 6) => "LoadStoreAlignment",
        (_, 5 | 13) => "LoadProhibited",
        (_, 7 | 15) => "StoreProhibited",
        _ => "Unknown",
    }
}
