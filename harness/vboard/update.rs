//! Writing an update into flash, sector by sector, and making it the one that boots.
//!
//! The beginning of an application is kept back until all else is written and its MD5 fits. So a cut update leaves
//! a slot that holds no image, and the image that runs is untouched throughout.
//!
//! The error texts are those of the Arduino core's `Update`, which clients show to people.

use md5::{Digest as _, Md5};

use super::emulator;
use super::flash::{Flash, SECTOR};
use super::image_format::{EspImage, MAGIC};
use super::otadata::{self, State};
use super::partitions::{Partition, SPIFFS, Slot};

/// Bytes of an application that are written last.
const KEPT_BACK: usize = 16;

/// Where an update goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    App(Slot),
    Files,
}

/// Why an update failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    #[error("Not Enough Space")]
    Space,
    #[error("Wrong Magic Byte")]
    Magic,
    #[error("Flash Write Failed")]
    Write,
    #[error("Aborted")]
    Aborted,
    #[error("MD5 Check Failed")]
    Md5,
    #[error("Could Not Activate The Firmware")]
    Activate,
}

/// An update under way.
pub struct Update {
    target: Target,
    size: usize,
    /// Bytes that are in flash or kept back.
    written: usize,
    /// Bytes of the sector that is not full yet.
    sector: Vec<u8>,
    kept_back: Vec<u8>,
    md5: Md5,
}

impl Target {
    const fn partition(self) -> Partition {
        match self {
            Self::App(slot) => slot.partition(),
            Self::Files => SPIFFS,
        }
    }
}

impl Update {
    /// Begins an update of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Space`] if it does not fit or is empty.
    pub fn begin(target: Target, size: usize) -> Result<Self, UpdateError> {
        if size == 0 || size > target.partition().size {
            return Err(UpdateError::Space);
        }
        let sector = Vec::with_capacity(SECTOR);
        Ok(Self { target, size, written: 0, sector, kept_back: Vec::new(), md5: Md5::new() })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Space`] if they are more than announced, [`UpdateError::Magic`] once the first sector is full
    /// and does not begin like an application, [`UpdateError::Write`].
    pub fn write(&mut self, flash: &mut Flash, mut data: &[u8]) -> Result<(), UpdateError> {
        if data.len() > self.remaining() {
            return Err(UpdateError::Space);
        }
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(SECTOR - self.sector.len()));
            self.sector.extend(now);
            data = later;
            if self.sector.len() == SECTOR || self.is_complete() {
                self.write_sector(flash)?;
            }
        }
        Ok(())
    }

    /// Counts bytes that were written into the MD5; the same ones in the same order. Apart from writing, because the
    /// sender need not wait for it.
    pub fn digest(&mut self, data: &[u8]) {
        self.md5.update(data);
    }

    /// Bytes that are still to come.
    pub const fn remaining(&self) -> usize {
        self.size - self.written - self.sector.len()
    }

    /// Whether all bytes have come.
    pub const fn is_complete(&self) -> bool {
        self.remaining() == 0
    }

    /// Checks the whole update against `md5`, saves the flash, and makes an application the one that boots.
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; what boots is then as before.
    pub fn end(self, flash: &mut Flash, md5: &[u8; 16]) -> Result<(), UpdateError> {
        if !self.is_complete() {
            return Err(UpdateError::Aborted);
        }
        if self.md5.finalize()[..] != md5[..] {
            return Err(UpdateError::Md5);
        }
        let partition = self.target.partition();
        flash.program(partition, 0, &self.kept_back).map_err(|_| UpdateError::Write)?;
        let Target::App(slot) = self.target else {
            return flash.save().map_err(|_| UpdateError::Write);
        };
        let image = EspImage::parse(flash.read(partition)).map_err(|_| UpdateError::Activate)?;
        emulator::check(&image).map_err(|_| UpdateError::Activate)?;
        otadata::choose(flash, slot, State::New).map_err(|_| UpdateError::Write)?;
        flash.save().map_err(|_| {
            // The file behind the flash still has the old choice; so must the flash.
            let _ = otadata::note(flash, State::Invalid); // a record fits into its partition
            UpdateError::Write
        })
    }

    fn write_sector(&mut self, flash: &mut Flash) -> Result<(), UpdateError> {
        let partition = self.target.partition();
        let at = self.written;
        self.written += self.sector.len();
        let mut skipped = 0;
        if at == 0 && self.target != Target::Files {
            if self.sector.first() != Some(&MAGIC) {
                return Err(UpdateError::Magic);
            }
            skipped = KEPT_BACK.min(self.sector.len());
            self.kept_back = self.sector[..skipped].to_vec();
        }
        flash.erase(partition, at, self.sector.len()).map_err(|_| UpdateError::Write)?;
        flash.program(partition, at + skipped, &self.sector[skipped..]).map_err(|_| UpdateError::Write)?;
        self.sector.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha;
    use crate::vboard::image_format::{NotAnImage, image_for_tests};
    use crate::vboard::partitions::{APP0, APP1};

    fn image(code_bytes: usize) -> Vec<u8> {
        image_for_tests(0x8000_0000, &vec![0x13; code_bytes], Sha::of("elf"))
    }

    fn md5(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    /// Sends `bytes` in blocks of 1460.
    fn update(flash: &mut Flash, target: Target, bytes: &[u8]) -> Result<(), UpdateError> {
        let mut update = Update::begin(target, bytes.len())?;
        for block in bytes.chunks(1460) {
            update.write(flash, block)?;
            update.digest(block);
        }
        update.end(flash, &md5(bytes))
    }

    #[test]
    fn a_good_image_lies_in_its_slot_and_boots() {
        let mut flash = Flash::blank();
        let image = image(10_000);
        update(&mut flash, Target::App(Slot::App1), &image).unwrap();
        assert_eq!(flash.read(APP1)[..image.len()], image);
        assert_eq!(otadata::boot_slot(&flash), Slot::App1);
        assert_eq!(otadata::chosen(&flash).unwrap().state, State::New);
    }

    #[test]
    fn a_smaller_image_replaces_a_larger_one() {
        let mut flash = Flash::blank();
        update(&mut flash, Target::App(Slot::App0), &image(20_000)).unwrap();
        let small = image(100);
        update(&mut flash, Target::App(Slot::App0), &small).unwrap();
        assert_eq!(EspImage::parse(flash.read(APP0)).unwrap().length, small.len());
    }

    #[test]
    fn a_cut_update_leaves_no_image_and_the_old_choice() {
        let mut flash = Flash::blank();
        update(&mut flash, Target::App(Slot::App0), &image(100)).unwrap();
        let new = image(20_000);
        let mut cut = Update::begin(Target::App(Slot::App1), new.len()).unwrap();
        cut.write(&mut flash, &new[..9000]).unwrap();
        assert_eq!(cut.end(&mut flash, &md5(&new)), Err(UpdateError::Aborted));
        assert!(matches!(
            EspImage::parse(flash.read(APP1)),
            Err(NotAnImage::Magic { .. } | NotAnImage::Empty)
        ));
        assert_eq!(otadata::boot_slot(&flash), Slot::App0);
    }

    #[test]
    fn each_fault_has_the_text_of_the_arduino_core() {
        let mut flash = Flash::blank();
        let app = Target::App(Slot::App1);
        let good = image(5000);
        let text = |outcome: Result<(), UpdateError>| outcome.unwrap_err().to_string();
        assert_eq!(text(Update::begin(app, APP1.size + 1).map(drop)), "Not Enough Space");
        assert_eq!(text(Update::begin(app, 0).map(drop)), "Not Enough Space");
        assert_eq!(text(update(&mut flash, app, &[0; 5000])), "Wrong Magic Byte");
        let mut damaged = good.clone();
        damaged[300] ^= 1;
        assert_eq!(text(update(&mut flash, app, &damaged)), "Could Not Activate The Firmware");
        let foreign = image_for_tests(0x4200_0020, b"for another chip", Sha::of("elf"));
        assert_eq!(text(update(&mut flash, app, &foreign)), "Could Not Activate The Firmware");
        let mut other = Update::begin(app, good.len()).unwrap();
        other.write(&mut flash, &good).unwrap();
        other.digest(&good);
        assert_eq!(text(other.write(&mut flash, &[0])), "Not Enough Space");
        assert_eq!(text(other.end(&mut flash, &[0; 16])), "MD5 Check Failed");
        assert_eq!(otadata::chosen(&flash), None, "nothing of this boots");
    }

    #[test]
    fn the_first_sector_must_be_full_before_its_magic_is_judged() {
        let mut flash = Flash::blank();
        let mut update = Update::begin(Target::App(Slot::App0), 5000).unwrap();
        assert_eq!(update.write(&mut flash, &[0; SECTOR - 1]), Ok(()));
        assert_eq!(update.write(&mut flash, &[0]), Err(UpdateError::Magic));
    }

    #[test]
    fn files_need_no_magic_and_do_not_change_what_boots() {
        let mut flash = Flash::blank();
        update(&mut flash, Target::Files, b"files").unwrap();
        assert_eq!(&flash.read(SPIFFS)[..6], b"files\xFF");
        assert_eq!(otadata::chosen(&flash), None);
    }
}
