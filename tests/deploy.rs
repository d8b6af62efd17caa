//! Deploying over the air, against receivers that follow a script: well, badly and with bad luck.

mod stand_in;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k1_hil::board::Board;
use k1_hil::deploy::espota::Limits;
use k1_hil::deploy::{DeployError, DeployOptions, Deployment, confirm, deploy};
use k1_hil::digest::Sha;
use k1_hil::event::{Event, ignore};
use k1_hil::image::{Image, Target, Usage};
use md5::{Digest as _, Md5};
use rstest::rstest;
use stand_in::{Receiver, Reply, StandIn, device_info, probe_info, take, take_all};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const SIZE: usize = 20_000;

/// A board that runs `running`, and an image in a folder of its own.
struct Bench {
    image: Image,
    _folder: tempfile::TempDir,
    _stand_in: StandIn,
    board: Board,
    receiver: Receiver,
    running: Running,
}

/// Boot id and image of the scripted board.
#[derive(Clone)]
struct Running(Arc<Mutex<(u32, Option<Sha>)>>);

impl Running {
    /// The board starts again, with `image`.
    fn restart(&self, image: Sha) {
        let mut running = self.0.lock().unwrap();
        *running = (running.0 + 1, Some(image));
    }
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 % 251) as u8).collect();
        let bin = folder.path().join("firmware.bin");
        fs::write(&bin, &bytes).unwrap();
        let image = Image {
            format: 1,
            target: Target::Virtual,
            elf: folder.path().join("firmware.elf"),
            bin,
            sha256: Sha::of(&bytes),
            elf_sha256: Sha::of("the new elf"),
            source_sha256: Sha::of("source"),
            flash: Usage { used: 1, of: 2 },
            ram: Usage { used: 1, of: 2 },
            warnings: Vec::new(),
            patterns: vec!["ember".to_owned()],
            tools: [].into(),
        };
        let running = Running(Arc::new(Mutex::new((1, Some(Sha::of("the old elf"))))));
        let state = running.clone();
        let stand_in = StandIn::start(move |asked| {
            let (boot_id, image) = *state.0.lock().unwrap();
            match asked.request.as_str() {
                "GET /api/hil/info" => Reply::Json(probe_info(boot_id, image)),
                _ => Reply::Json(device_info()),
            }
        })
        .await;
        let receiver = Receiver::bind().await;
        let mut address = stand_in.address.clone();
        address.ota_port = receiver.port();
        let board = Board::connect(&address).await.unwrap();
        Self { image, _folder: folder, _stand_in: stand_in, board, receiver, running }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.image.bin).unwrap()
    }

    /// Deploys while `script` plays the receiver.
    async fn deploy<F: Future<Output = ()>>(
        self,
        options: DeployOptions,
        script: impl FnOnce(Receiver, Running, Sha) -> F,
    ) -> Result<Deployment, DeployError> {
        let script = script(self.receiver, self.running.clone(), self.image.elf_sha256);
        let (deployed, ()) = tokio::join!(deploy(&self.image, &self.board, &options, &ignore), script);
        deployed
    }
}

fn quick() -> DeployOptions {
    let limits = Limits {
        invitations: 20,
        invitation: Duration::from_millis(100),
        connection: Duration::from_millis(100),
        acknowledgement: Duration::from_millis(200),
        result: Duration::from_millis(200),
    };
    DeployOptions { limits, restart: Duration::from_millis(300), ..DeployOptions::default() }
}

fn hex_md5(bytes: impl AsRef<[u8]>) -> String {
    Md5::digest(bytes.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_image_arrives_whole_and_is_proved() {
    let bench = Bench::new().await;
    let (bytes, elf_sha256) = (bench.bytes(), bench.image.elf_sha256);
    let events = Mutex::new(Vec::new());
    let on_event = |event: &Event| events.lock().unwrap().push(event.clone());
    let Bench { image, board, mut receiver, running, .. } = bench;
    let script = async {
        let (invited, mut stream) = receiver.accept().await;
        assert_eq!((invited.size, invited.md5), (SIZE, hex_md5(&bytes)));
        assert!(take_all(&mut stream, SIZE).await == bytes);
        stream.write_all(b"OK").await.unwrap();
        running.restart(elf_sha256);
    };
    let options = quick();
    let (deployed, ()) = tokio::join!(deploy(&image, &board, &options, &on_event), script);
    let deployed = deployed.unwrap();
    assert_eq!((deployed.boot_id, deployed.elf_sha256, deployed.skipped), (2, elf_sha256, false));
    let mut events = events.into_inner().unwrap();
    let last = events.split_off(events.len() - 2);
    assert_eq!(last, [Event::Restarting, Event::Deployed { slot: "app0".to_owned() }]);
    let sent: Vec<u64> = events
        .iter()
        .map(|event| match event {
            Event::Uploading { sent, total: 20_000 } => *sent,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(sent.is_sorted() && sent.first() == Some(&0) && sent.last() == Some(&20_000), "{sent:?}");
}

#[tokio::test]
async fn what_runs_already_is_not_sent_again_unless_always() {
    let bench = Bench::new().await;
    bench.running.restart(bench.image.elf_sha256);
    // Nobody plays the receiver: to send anything would fail.
    let deployed = deploy(&bench.image, &bench.board, &quick(), &ignore).await.unwrap();
    assert!(deployed.skipped);
    let always = DeployOptions { always: true, ..quick() };
    let deployed = bench
        .deploy(always, |mut receiver, running, elf| async move {
            let (_, mut stream) = receiver.accept().await;
            take_all(&mut stream, SIZE).await;
            stream.write_all(b"OK").await.unwrap();
            running.restart(elf);
        })
        .await
        .unwrap();
    assert!(!deployed.skipped);
}

#[tokio::test]
async fn what_runs_can_be_confirmed_without_sending() {
    let bench = Bench::new().await;
    assert!(matches!(confirm(&bench.image, &bench.board).await, Err(DeployError::WrongImage { .. })));
    bench.running.restart(bench.image.elf_sha256);
    assert_eq!(confirm(&bench.image, &bench.board).await.unwrap().boot_id, 2);
}

#[tokio::test]
async fn a_changed_or_missing_file_is_not_sent() {
    let bench = Bench::new().await;
    fs::write(&bench.image.bin, b"tampered with").unwrap();
    let error = deploy(&bench.image, &bench.board, &quick(), &ignore).await.unwrap_err();
    assert!(matches!(error, DeployError::Changed { found, .. } if found == Sha::of("tampered with")));
    fs::remove_file(&bench.image.bin).unwrap();
    let error = deploy(&bench.image, &bench.board, &quick(), &ignore).await.unwrap_err();
    assert!(matches!(error, DeployError::Unreadable { .. }));
}

/// What a receiver writes for a chunk of 1,024 bytes; a comma stands for a new packet.
#[rstest]
#[case::whole("1024")]
#[case::in_two_reads("1000,24")]
#[case::in_two_reads_in_one_packet("100024")]
#[case::cut_inside_a_number("10,24")]
#[case::digit_by_digit("1,0,2,4")]
#[case::said_again_after_a_second("1024,1024")]
#[tokio::test]
async fn acknowledgements_are_understood(#[case] acknowledgement: &'static str) {
    let bench = Bench::new().await;
    let bytes = bench.bytes();
    let deployed = bench.deploy(quick(), |mut receiver, running, elf| async move {
        let (_, mut stream) = receiver.accept().await;
        let mut image = Vec::new();
        while image.len() + 1024 <= SIZE {
            image.extend(take(&mut stream, 1024).await);
            for packet in acknowledgement.split(',') {
                stream.write_all(packet.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        let rest = SIZE - image.len();
        image.extend(take(&mut stream, rest).await);
        assert!(image == bytes);
        stream.write_all(format!("{rest}OK").as_bytes()).await.unwrap();
        running.restart(elf);
    });
    deployed.await.unwrap();
}

#[tokio::test]
async fn lost_invitations_are_sent_again() {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, running, elf| async move {
        receiver.invited().await;
        receiver.invited().await;
        let (_, mut stream) = receiver.accept().await;
        take_all(&mut stream, SIZE).await;
        stream.write_all(b"OK").await.unwrap();
        running.restart(elf);
    });
    deployed.await.unwrap();
}

#[tokio::test]
async fn a_connection_answers_an_invitation_whose_ok_was_lost() {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, running, elf| async move {
        let invited = receiver.invited().await;
        let mut stream = TcpStream::connect(("127.0.0.1", invited.port)).await.unwrap();
        take_all(&mut stream, SIZE).await;
        stream.write_all(b"OK").await.unwrap();
        running.restart(elf);
    });
    deployed.await.unwrap();
}

/// Loopback addresses other than 127.0.0.1 exist without set-up on Linux only.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_but_the_board_gets_the_image() {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, running, elf| async move {
        let invited = receiver.invited().await;
        let stranger = TcpSocket::new_v4().unwrap();
        stranger.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0).into()).unwrap();
        let mut stranger = stranger.connect(([127, 0, 0, 1], invited.port).into()).await.unwrap();
        let got = stranger.read(&mut [0; 16]).await;
        assert!(matches!(got, Ok(0) | Err(_)), "{got:?}");
        let mut stream = TcpStream::connect(("127.0.0.1", invited.port)).await.unwrap();
        take_all(&mut stream, SIZE).await;
        stream.write_all(b"OK").await.unwrap();
        running.restart(elf);
    });
    deployed.await.unwrap();
}

const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// Asks for `password` as the older receivers do, and answers as they do.
async fn ask_password(receiver: &mut Receiver, password: &str) -> bool {
    receiver.invited().await;
    receiver.say(&format!("AUTH {NONCE}")).await;
    let reply = receiver.hear().await;
    let parts: Vec<&str> = reply.trim_end().split(' ').collect();
    let [command, own_nonce, response] = parts[..] else { panic!("{reply:?}") };
    assert_eq!((command, own_nonce.len()), ("200", 32));
    let right = response == hex_md5(format!("{}:{NONCE}:{own_nonce}", hex_md5(password)));
    receiver.say(if right { "OK" } else { "Authentication Failed" }).await;
    right
}

#[rstest]
#[case::right("secret", true)]
#[case::wrong("secrets", false)]
#[tokio::test]
async fn a_password_is_given_by_md5(#[case] given: &str, #[case] accepted: bool) {
    let options = DeployOptions { password: Some(given.into()), ..quick() };
    let deployed = Bench::new().await.deploy(options, |mut receiver, _, _| async move {
        assert_eq!(ask_password(&mut receiver, "secret").await, accepted);
    });
    match (deployed.await.unwrap_err(), accepted) {
        // The script ends here: the board accepted and does not connect.
        (DeployError::NoConnection { .. }, true) | (DeployError::Password { given: true, .. }, false) => {}
        (other, _) => panic!("{other}"),
    }
}

#[rstest]
#[case::none_given(32, None, "Password { given: false }")]
#[case::of_the_newer_generation(64, Some("secret"), "PasswordKind")]
#[case::of_an_unknown_generation(10, Some("secret"), "Refused")]
#[tokio::test]
async fn a_password_that_cannot_be_given(
    #[case] digits: usize,
    #[case] password: Option<&str>,
    #[case] expected: &str,
) {
    let options = DeployOptions { password: password.map(Into::into), ..quick() };
    let deployed = Bench::new().await.deploy(options, |mut receiver, _, _| async move {
        receiver.invited().await;
        receiver.say(&format!("AUTH {}", "a".repeat(digits))).await;
    });
    let found = match deployed.await.unwrap_err() {
        DeployError::Password { given, .. } => format!("Password {{ given: {given} }}"),
        DeployError::PasswordKind { .. } => "PasswordKind".to_owned(),
        DeployError::Refused { .. } => "Refused".to_owned(),
        other => panic!("{other}"),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_board_that_does_not_answer_or_connect_is_told_apart() {
    let mut options = quick();
    options.limits.invitations = 3;
    let deployed = Bench::new().await.deploy(options, |mut receiver, _, _| async move {
        for _ in 0..3 {
            receiver.invited().await;
        }
    });
    assert!(matches!(deployed.await.unwrap_err(), DeployError::NoAnswer { .. }));
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, _, _| async move {
        receiver.invited().await;
        receiver.say("OK").await;
    });
    assert!(matches!(deployed.await.unwrap_err(), DeployError::NoConnection { .. }));
}

#[rstest]
#[case::cut(4096, true)]
#[case::silent(4096, false)]
#[case::cut_when_some_was_sent_ahead(9216, true)]
#[case::silent_when_some_was_sent_ahead(9216, false)]
#[tokio::test]
async fn a_link_that_breaks_in_mid_transfer_is_lost(#[case] after: usize, #[case] cut: bool) {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, _, _| async move {
        let (_, mut stream) = receiver.accept().await;
        take_all(&mut stream, after).await;
        if !cut {
            // Reads on without a word until the host gives up.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    });
    match deployed.await.unwrap_err() {
        DeployError::Link { sent, total, source, .. } => {
            assert_eq!((sent, total), (after as u64, SIZE as u64));
            assert_eq!(source.kind() == std::io::ErrorKind::TimedOut, !cut, "{source}");
        }
        other => panic!("{other}"),
    }
}

#[rstest]
#[case::at_the_end(SIZE, "MD5 Check Failed\r\n", "MD5 Check Failed")]
#[case::in_mid_transfer(16_384, "Wrong Magic Byte\r\n", "Wrong Magic Byte")]
#[case::without_the_end_of_the_line(2048, "Flash Write Failed", "Flash Write Failed")]
#[tokio::test]
async fn the_words_of_a_refusal_are_kept(
    #[case] after: usize,
    #[case] words: &'static str,
    #[case] expected: &str,
) {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, _, _| async move {
        let (_, mut stream) = receiver.accept().await;
        take_all(&mut stream, after).await;
        stream.write_all(words.as_bytes()).await.unwrap();
    });
    match deployed.await.unwrap_err() {
        DeployError::Refused { reason, .. } => assert_eq!(reason, expected),
        other => panic!("{other}"),
    }
}

/// What the board does after the whole image was sent.
#[derive(Clone, Copy)]
enum Afterwards {
    Stays,
    RestartsWithTheNew,
    RestartsWithTheOld,
}

#[rstest]
#[case::said_ok_and_restarted(true, Afterwards::RestartsWithTheNew, "Deployed")]
#[case::said_ok_and_stayed(true, Afterwards::Stays, "Lost")]
#[case::said_ok_and_rolled_back(true, Afterwards::RestartsWithTheOld, "WrongImage")]
#[case::said_nothing_and_restarted(false, Afterwards::RestartsWithTheNew, "Deployed")]
#[case::said_nothing_and_stayed(false, Afterwards::Stays, "Link")]
#[case::said_nothing_and_rolled_back(false, Afterwards::RestartsWithTheOld, "WrongImage")]
#[tokio::test]
async fn what_runs_afterwards_decides(
    #[case] ok: bool,
    #[case] afterwards: Afterwards,
    #[case] expected: &str,
) {
    let deployed = Bench::new().await.deploy(quick(), |mut receiver, running, elf| async move {
        let (_, mut stream) = receiver.accept().await;
        take_all(&mut stream, SIZE).await;
        if ok {
            stream.write_all(b"OK").await.unwrap();
        }
        match afterwards {
            Afterwards::Stays => {}
            Afterwards::RestartsWithTheNew => running.restart(elf),
            Afterwards::RestartsWithTheOld => running.restart(Sha::of("the old elf")),
        }
    });
    let found = match deployed.await {
        Ok(deployed) => {
            assert_eq!(deployed.boot_id, 2);
            "Deployed"
        }
        Err(DeployError::Lost { .. }) => "Lost",
        Err(DeployError::WrongImage { .. }) => "WrongImage",
        Err(DeployError::Link { sent: 20_000, .. }) => "Link",
        Err(other) => panic!("{other}"),
    };
    assert_eq!(found, expected);
}

#[test]
fn every_failure_is_one_clear_sentence() {
    let board = || "192.168.1.104:80".to_owned();
    let (old, new) = (Sha::of("old"), Sha::of("new"));
    let path = || "firmware.bin".into();
    let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let errors = [
        DeployError::Unreadable { path: path(), source: broken() },
        DeployError::Changed { path: path(), expected: old, found: new },
        DeployError::NoAnswer { board: board(), port: 3232 },
        DeployError::Password { board: board(), given: false },
        DeployError::Password { board: board(), given: true },
        DeployError::PasswordKind { board: board() },
        DeployError::NoConnection { board: board(), port: 40_000 },
        DeployError::Link { board: board(), sent: 4096, total: 10_000, source: broken() },
        DeployError::Refused { board: board(), reason: "MD5 Check Failed".to_owned() },
        DeployError::Lost { board: board(), seconds: 30 },
        DeployError::WrongImage { board: board(), running: old.to_string(), deployed: new },
    ];
    let lines: Vec<String> = errors.iter().map(|error| format!("{error} [{:?}]", error.blame())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
