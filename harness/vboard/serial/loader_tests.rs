use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::vboard::partitions::APP0;

const MAC: [u8; 6] = [0x7C, 0xDF, 0xA1, 0xE0, 0x00, 0x01];

/// A request with everything right.
fn request(op: u8, data: &[u8]) -> Vec<u8> {
    let checksum = data.get(16..).unwrap_or_default().iter().fold(0xEF_u8, |sum, byte| sum ^ byte);
    let mut frame = vec![0, op];
    frame.extend((data.len() as u16).to_le_bytes());
    frame.extend(u32::from(checksum).to_le_bytes());
    frame.extend(data);
    frame
}

fn of_words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn block_of(sequence: u32, contents: &[u8]) -> Vec<u8> {
    [of_words(&[contents.len() as u32, sequence, 0, 0]), contents.to_vec()].concat()
}

/// A loader, its flash, and what it answered last.
struct Bench {
    loader: Loader,
    flash: Flash,
    next: Next,
}

impl Bench {
    fn rom() -> Self {
        Self { loader: Loader::new(MAC), flash: Flash::blank(), next: Next::Stay }
    }

    fn attached() -> Self {
        let mut bench = Self::rom();
        assert_eq!(bench.ask(op::SPI_ATTACH, &[0; 8]), Ok(vec![]));
        bench
    }

    fn stub() -> Self {
        let mut bench = Self::rom();
        bench.ask(op::MEM_BEGIN, &of_words(&[4, 1, 4, 0x4037_8000])).unwrap();
        bench.ask(op::MEM_DATA, &block_of(0, b"code")).unwrap();
        let frames = bench.frames(op::MEM_END, &of_words(&[0, 0x4037_8000]));
        assert_eq!(frames[1..], [HELLO.to_vec()]);
        bench
    }

    fn frames(&mut self, op: u8, data: &[u8]) -> Vec<Vec<u8>> {
        self.frames_for(&request(op, data))
    }

    fn frames_for(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let said = self.loader.hear(frame, &mut self.flash);
        self.next = said.next;
        let later = self.loader.work(&mut self.flash);
        let mut frames = Vec::new();
        slip::Decoder::default()
            .feed(&[said.bytes, later].concat(), &mut |frame| frames.push(frame.to_vec()));
        frames
    }

    /// The data of the answer, or the first two bytes of a bad status.
    fn ask(&mut self, op: u8, data: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        self.send(&request(op, data))
    }

    fn send(&mut self, frame: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let status = if self.loader.is_stub { 2 } else { 4 };
        let answer = self.frames_for(frame).into_iter().next().expect("an answer");
        assert_eq!(answer[..2], [1, frame[1]]);
        assert_eq!(usize::from(u16::from_le_bytes([answer[2], answer[3]])), answer.len() - 8);
        let (data, status) = answer[8..].split_at(answer.len() - 8 - status);
        if status[0] == 0 { Ok(data.to_vec()) } else { Err([status[0], status[1]]) }
    }

    fn app(&self, length: usize) -> &[u8] {
        &self.flash.read(APP0)[..length]
    }
}

#[test]
fn sync_is_answered_eight_times_and_tells_rom_from_stub() {
    let sync = [&[7, 7, 0x12, 0x20][..], &[0x55; 32]].concat();
    for (mut bench, value) in [(Bench::rom(), ROM_SYNC), (Bench::stub(), 0)] {
        let frames = bench.frames(op::SYNC, &sync);
        assert_eq!(frames.len(), 8);
        assert!(frames.iter().all(|frame| frame[4..8] == value.to_le_bytes()));
    }
    assert_eq!(Bench::rom().ask(op::SYNC, &sync[1..]), Err([1, 5]));
}

#[rstest]
#[case::rom(Bench::attached(), 20)]
#[case::stub(Bench::stub(), 16)]
fn a_plain_write_clears_what_was_there_and_drops_the_padding(
    #[case] mut bench: Bench,
    #[case] length: usize,
) {
    bench.flash.program(APP0, 0, &[0; 6000]).unwrap();
    let begin = of_words(&[0x1000, 5, 1024, 0x1_0000, 0]);
    bench.ask(op::FLASH_BEGIN, &begin[..length]).unwrap();
    for sequence in 0..5 {
        bench.ask(op::FLASH_DATA, &block_of(sequence, &[sequence as u8 + 1; 1024])).unwrap();
    }
    assert_eq!(bench.app(4096)[4095], 4);
    assert_eq!(bench.app(4097)[4096], 0, "behind the size that was announced");
}

#[test]
fn the_rom_erases_at_the_beginning_and_the_stub_as_it_goes() {
    let erased = |bench: &mut Bench| {
        bench.flash.program(APP0, 0, &[0; 8192]).unwrap();
        bench.ask(op::FLASH_BEGIN, &of_words(&[8192, 8, 1024, 0x1_0000, 0])).unwrap();
        bench.ask(op::FLASH_DATA, &block_of(0, &[0xFF; 1024])).unwrap();
        (bench.app(8192)[4095], bench.app(8192)[4096])
    };
    assert_eq!(erased(&mut Bench::attached()), (0xFF, 0xFF));
    assert_eq!(erased(&mut Bench::stub()), (0xFF, 0));
}

#[test]
fn a_deflated_write_is_inflated_and_checked_by_its_md5() {
    use std::io::Write as _;
    let contents: Vec<u8> = (0..100_000_u32).map(|at| (at / 7) as u8).collect();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&contents).unwrap();
    let packed = encoder.finish().unwrap();
    for mut bench in [Bench::attached(), Bench::stub()] {
        let blocks = packed.chunks(200);
        let begin = of_words(&[contents.len() as u32, blocks.len() as u32, 200, 0x1_0000, 0]);
        bench.ask(op::DEFLATE_BEGIN, &begin).unwrap();
        for (sequence, block) in (0..).zip(blocks) {
            bench.ask(op::DEFLATE_DATA, &block_of(sequence, block)).unwrap();
        }
        assert!(bench.app(contents.len()) == contents);
        let md5 = bench.ask(op::FLASH_MD5, &of_words(&[0x1_0000, contents.len() as u32, 0, 0])).unwrap();
        let expected = Md5::digest(&contents);
        match bench.loader.is_stub {
            true => assert_eq!(md5, expected[..]),
            false => assert_eq!(String::from_utf8(md5).unwrap(), format!("{:x}", HexOf(&expected))),
        }
    }
}

struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[test]
fn the_stub_tells_what_went_wrong_with_the_next_command_and_then_goes_on() {
    let mut bench = Bench::stub();
    bench.ask(op::DEFLATE_BEGIN, &of_words(&[100, 2, 16, 0x1_0000])).unwrap();
    assert_eq!(bench.ask(op::DEFLATE_DATA, &block_of(0, b"not a zlib stream")), Ok(vec![]));
    assert_eq!(bench.ask(op::READ_REG, &of_words(&[0x4000_1000])), Err([0xC7, 0]));
    assert_eq!(bench.ask(op::READ_REG, &of_words(&[0x4000_1000])), Ok(vec![]));
    let mut rom = Bench::attached();
    rom.ask(op::DEFLATE_BEGIN, &of_words(&[100, 2, 16, 0x1_0000, 0])).unwrap();
    assert_eq!(rom.ask(op::DEFLATE_DATA, &block_of(0, b"not a zlib stream")), Err([1, 0x0B]));
}

#[test]
fn an_end_is_refused_while_bytes_are_missing_and_zero_restarts() {
    let mut bench = Bench::stub();
    assert_eq!(bench.ask(op::FLASH_END, &of_words(&[1])), Err([0xC6, 0]));
    bench.ask(op::FLASH_BEGIN, &of_words(&[8, 2, 4, 0x1_0000])).unwrap();
    bench.ask(op::FLASH_DATA, &block_of(0, b"abcd")).unwrap();
    assert_eq!(bench.ask(op::FLASH_END, &of_words(&[1])), Err([0xC0, 0]));
    bench.ask(op::FLASH_DATA, &block_of(0, b"abcd")).unwrap(); // its answer was lost
    bench.ask(op::FLASH_DATA, &block_of(1, b"efgh")).unwrap();
    assert_eq!(bench.app(9), b"abcdefgh\xFF");
    bench.ask(op::FLASH_END, &of_words(&[1])).unwrap();
    assert_eq!(bench.next, Next::Stay);
    bench.ask(op::FLASH_BEGIN, &of_words(&[0, 0, 1024, 0])).unwrap();
    bench.ask(op::FLASH_END, &of_words(&[0])).unwrap();
    assert_eq!(bench.next, Next::Restart);
}

#[rstest]
#[case::unknown(0x77, &[], [1, 5])]
#[case::only_the_stub_erases(op::ERASE_FLASH, &[], [1, 5])]
#[case::data_without_a_beginning(op::FLASH_DATA, &[1; 20], [1, 6])]
#[case::flash_not_attached(op::FLASH_BEGIN, &[0; 20], [1, 6])]
#[case::length(op::READ_REG, &[0; 5], [1, 5])]
#[case::attach_as_for_the_stub(op::SPI_ATTACH, &[0; 4], [1, 5])]
#[case::md5_without_flash(op::FLASH_MD5, &[0; 16], [1, 6])]
fn the_rom_refuses(#[case] op: u8, #[case] data: &[u8], #[case] status: [u8; 2]) {
    assert_eq!(Bench::rom().ask(op, data), Err(status));
}

#[rstest]
#[case::unknown(0x77, vec![], 0xC3)]
#[case::attach_as_for_the_rom(op::SPI_ATTACH, vec![0; 8], 0xC0)]
#[case::only_the_rom_reads_slowly(op::READ_FLASH_SLOW, vec![0; 8], 0xC3)]
#[case::half_a_sector(op::ERASE_REGION, of_words(&[0x1_0000, 0x800]), 0xC0)]
#[case::behind_the_end(op::FLASH_BEGIN, of_words(&[0x1000, 1, 0x1000, SIZE as u32]), 0xC4)]
#[case::encrypted(op::FLASH_BEGIN, of_words(&[4, 1, 4, 0x1_0000, 1]), 0xC4)]
#[case::a_block_too_large_to_read(op::READ_FLASH, of_words(&[0, 8192, 8192, 1]), 0xC0)]
#[case::half_a_register(op::WRITE_REG, vec![0; 24], 0xC0)]
fn the_stub_refuses(#[case] op: u8, #[case] data: Vec<u8>, #[case] status: u8) {
    assert_eq!(Bench::stub().ask(op, &data), Err([status, 0]));
}

#[test]
fn a_wrong_checksum_and_a_stated_length_that_is_not_the_real_one_are_refused() {
    for (mut bench, checksum, length) in
        [(Bench::attached(), [1, 7], [1, 5]), (Bench::stub(), [0xC1, 0], [0xC0, 0])]
    {
        bench.ask(op::FLASH_BEGIN, &of_words(&[4, 1, 4, 0x1_0000, 0])).unwrap();
        let mut frame = request(op::FLASH_DATA, &block_of(0, b"abcd"));
        frame[4] ^= 1;
        assert_eq!(bench.send(&frame), Err(checksum));
        let mut frame = request(op::FLASH_DATA, &block_of(0, b"abcd"));
        frame[2] += 1;
        assert_eq!(bench.send(&frame), Err(length));
        assert_eq!(bench.app(4), [0xFF; 4]);
    }
}

#[test]
fn the_rom_knows_two_mebibytes_until_it_is_told() {
    let mut bench = Bench::attached();
    let behind = of_words(&[0x1000, 4, 1024, 0x20_0000, 0]);
    assert_eq!(bench.ask(op::FLASH_BEGIN, &behind), Err([1, 6]));
    bench.ask(op::SPI_SET_PARAMS, &of_words(&[0, SIZE as u32, 0x1_0000, 0x1000, 256, 0xFFFF])).unwrap();
    assert_eq!(bench.ask(op::FLASH_BEGIN, &behind), Ok(vec![]));
    assert_eq!(bench.ask(op::READ_FLASH_SLOW, &of_words(&[0x8000, 8])).unwrap().len(), 64);
}

#[test]
fn a_read_goes_on_with_each_acknowledgement_and_ends_with_the_md5() {
    let mut bench = Bench::stub();
    let contents: Vec<u8> = (0..9000_u32).map(|at| at as u8).collect();
    bench.flash.program(APP0, 0, &contents).unwrap();
    let mut frames = bench.frames(op::READ_FLASH, &of_words(&[0x1_0000, 9000, 4096, 64]));
    let mut read = frames.pop().unwrap();
    while read.len() < 9000 {
        let acknowledgement = of_words(&[read.len() as u32]);
        let frames = bench.frames_for(&acknowledgement);
        assert_eq!(frames.len(), 1, "one at a time");
        read.extend(&frames[0]);
    }
    assert!(read == contents);
    assert_eq!(bench.frames_for(&of_words(&[9000])), [Md5::digest(&contents).to_vec()]);
    assert_eq!(bench.ask(op::READ_REG, &of_words(&[0])), Ok(vec![]));
}

#[test]
fn the_watchdog_and_the_rom_s_end_leave_the_loader() {
    let mut bench = Bench::stub();
    let unlock = of_words(&[0x6000_80B0, 0x50D8_3AA1, u32::MAX, 0]);
    let arm = of_words(&[0x6000_8098, 1 << 31, u32::MAX, 0]);
    bench.ask(op::WRITE_REG, &[unlock, arm].concat()).unwrap();
    assert_eq!(bench.next, Next::Watchdog(Watchdog::On));
    bench.ask(op::WRITE_REG, &of_words(&[0x6000_80B0, 0, u32::MAX, 0])).unwrap();
    assert_eq!(bench.next, Next::Watchdog(Watchdog::OnAndLocked));
    assert!(bench.frames(op::RUN_USER_CODE, &[]).is_empty());
    assert_eq!(bench.next, Next::Boot(ResetReason::Software));
    let mut rom = Bench::attached();
    rom.ask(op::FLASH_BEGIN, &of_words(&[0, 0, 1024, 0, 0])).unwrap();
    rom.ask(op::FLASH_END, &of_words(&[0])).unwrap();
    assert_eq!(rom.next, Next::Boot(ResetReason::Software));
}

proptest! {
    #[test]
    fn no_frame_makes_it_panic(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 0..20),
        is_stub in any::<bool>(),
    ) {
        let mut bench = if is_stub { Bench::stub() } else { Bench::attached() };
        for (op, data) in frames {
            bench.frames(op % 0x20, &data);
            bench.frames_for(&data);
        }
    }
}
