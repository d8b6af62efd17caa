//! Leases: exclusive among threads, processes and users, and gone with their holder.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k1_hil::Event;
use k1_hil::board::Mac;
use k1_hil::board::lease::{Holder, LeaseError, Leasing, Locks, Owner};
use k1_hil::event::ignore;

const MAC: Mac = Mac::from_bytes([0xA0, 0xB7, 0x65, 0x12, 0x34, 0x56]);
const LONG: Duration = Duration::from_secs(60);

fn leasing(folder: &Path, wait: Duration) -> Leasing {
    Leasing { locks: Locks::at(folder), owner: Owner::of_process("a test", "nightly"), wait }
}

fn of_another_user(leasing: &Leasing) -> Leasing {
    let owner = Owner { user: "ada".to_owned(), uid: leasing.owner.uid + 1, ..leasing.owner.clone() };
    Leasing { owner, ..leasing.clone() }
}

fn in_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn threads_exclude_each_other_and_all_come_to_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), LONG);
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                in_a_runtime(async {
                    for _ in 0..10 {
                        let lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        tokio::task::yield_now().await;
                        turns.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        drop(lease);
                    }
                });
            });
        }
    });
    assert_eq!(turns.into_inner(), 80);
    assert!(!leasing.state(MAC).unwrap().held);
}

#[tokio::test]
async fn tasks_of_one_runtime_exclude_each_other_too() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), LONG);
    let inside = AtomicU32::new(0);
    let work = async || {
        let _lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        tokio::task::yield_now().await;
        inside.fetch_sub(1, Ordering::SeqCst);
    };
    futures_util::future::join_all((0..20).map(|_| work())).await;
}

#[tokio::test]
async fn the_deadline_names_the_holder_and_another_board_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let patient = leasing(folder.path(), Duration::from_millis(50));
    let lease = patient.take(MAC, "desk", &ignore).await.unwrap();
    let events = Mutex::new(Vec::new());
    let error =
        patient.take(MAC, "desk", &|event| events.lock().unwrap().push(event.clone())).await.unwrap_err();
    let told = error.to_string();
    let named = format!(
        "desk is in use by a test of user {}, process {} on ",
        patient.owner.user,
        std::process::id()
    );
    assert!(told.starts_with(&named) && told.contains("(nightly) since 20"), "{told}");
    assert!(told.ends_with("; waited 0.1 s"), "{told}");
    let events = events.into_inner().unwrap();
    assert!(
        matches!(&events[..], [Event::LeaseWaits { holder, .. }] if holder.contains("(nightly)")),
        "{events:?}"
    );
    let other = Mac::from_bytes([2, 0, 0, 0, 0, 1]);
    patient.take(other, "other", &ignore).await.unwrap();
    lease.renew().unwrap();
    drop(lease);
    let again = patient.take(MAC, "desk", &ignore).await.unwrap();
    assert_eq!(again.orphan_of, None, "it was returned");
}

/// The one that waits is next, however quickly the holder comes again.
#[test]
fn a_greedy_holder_does_not_overtake_who_waits() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), LONG);
    let waits = Barrier::new(2);
    let turns = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            in_a_runtime(async {
                let first = leasing.take(MAC, "desk", &ignore).await.unwrap();
                waits.wait();
                // The other one is next when it holds the second lock.
                let next = folder.path().join("A0-B7-65-12-34-56.next");
                while std::fs::File::open(&next).unwrap().try_lock_shared().is_ok() {
                    tokio::task::yield_now().await;
                }
                drop(first);
                while turns.load(Ordering::SeqCst) == 0 {
                    let again = leasing.take(MAC, "desk", &ignore).await.unwrap();
                    assert_eq!(turns.load(Ordering::SeqCst), 1, "overtaken");
                    drop(again);
                }
            });
        });
        scope.spawn(|| {
            in_a_runtime(async {
                waits.wait();
                let _lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
                turns.fetch_add(1, Ordering::SeqCst);
            });
        });
    });
}

/// A program that is being started has, for a moment, a copy of every open file of who starts it.
#[test]
fn a_returned_board_is_free_at_once_while_programs_are_started() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), Duration::ZERO);
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) == 0 {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        in_a_runtime(async {
            for _ in 0..300 {
                drop(leasing.take(MAC, "desk", &ignore).await.unwrap());
            }
        });
        done.store(1, Ordering::SeqCst);
    });
}

#[tokio::test]
async fn a_file_that_a_crash_left_behind_is_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), Duration::ZERO);
    let owner = Owner { user: "ada".to_owned(), pid: 4711, ..leasing.owner.clone() };
    let since = Timestamp::now();
    let left = Holder { owner, since, heartbeat: since, expires: since + SignedDuration::from_hours(5) };
    for contents in [serde_json::to_string(&left).unwrap(), String::new(), "{\"user\":\"a".to_owned()] {
        std::fs::write(folder.path().join("A0-B7-65-12-34-56.lease"), &contents).unwrap();
        let state = leasing.state(MAC).unwrap();
        assert!(!state.held && state.holder.is_none(), "{state:?}");
        let lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
        assert_eq!(lease.orphan_of.is_some(), contents.contains("4711"), "{contents}");
    }
}

#[tokio::test]
async fn a_silent_holder_keeps_its_board_and_is_said_to_be_silent() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), Duration::ZERO);
    let lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
    // What a holder that was stopped for an hour would have left.
    let path = folder.path().join("A0-B7-65-12-34-56.lease");
    let mut record = leasing.state(MAC).unwrap().holder.unwrap();
    record.heartbeat -= SignedDuration::from_hours(1);
    record.expires -= SignedDuration::from_hours(1);
    std::fs::write(&path, serde_json::to_string(&record).unwrap()).unwrap();
    let told = leasing.take(MAC, "desk", &ignore).await.unwrap_err().to_string();
    assert!(told.contains(", silent since 20"), "{told}");
    lease.renew().unwrap();
    let told = leasing.take(MAC, "desk", &ignore).await.unwrap_err().to_string();
    assert!(!told.contains("silent"), "{told}");
}

#[tokio::test]
async fn a_removed_lock_is_noticed_by_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), Duration::ZERO);
    let lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
    std::fs::remove_file(folder.path().join("A0-B7-65-12-34-56.lease")).unwrap();
    assert!(matches!(lease.renew(), Err(LeaseError::Lost { mac: MAC, .. })));
}

#[tokio::test]
async fn a_reservation_keeps_others_away_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mine = leasing(folder.path(), Duration::ZERO);
    let others = of_another_user(&mine);
    let reservation = mine.reserve(MAC, "desk", SignedDuration::from_hours(2), &ignore).await.unwrap();
    assert_eq!(mine.state(MAC).unwrap().reservation, Some(reservation));
    drop(mine.take(MAC, "desk", &ignore).await.unwrap());
    let told = others.take(MAC, "desk", &ignore).await.unwrap_err().to_string();
    let named = format!("desk is reserved for user {} until 20", mine.owner.user);
    assert!(told.starts_with(&named) && told.ends_with("(nightly)"), "{told}");
    assert!(matches!(
        others.reserve(MAC, "desk", SignedDuration::MAX, &ignore).await,
        Err(LeaseError::Reserved { .. })
    ));
    assert!(matches!(others.release(MAC, "desk", false).await, Err(LeaseError::NotYours { .. })));
    assert!(others.release(MAC, "desk", true).await.unwrap().is_some());
    assert!(others.release(MAC, "desk", true).await.unwrap().is_none());
    drop(others.take(MAC, "desk", &ignore).await.unwrap());
    // One whose time is over counts for nothing.
    mine.reserve(MAC, "desk", SignedDuration::from_nanos(1), &ignore).await.unwrap();
    assert_eq!(others.state(MAC).unwrap().reservation, None);
    drop(others.take(MAC, "desk", &ignore).await.unwrap());
}

#[tokio::test]
async fn who_waits_for_a_reservation_gets_the_board_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mine = leasing(folder.path(), LONG);
    let others = of_another_user(&mine);
    mine.reserve(MAC, "desk", SignedDuration::from_hours(1), &ignore).await.unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let on_event = |event: &Event| {
        if matches!(event, Event::LeaseWaits { .. }) {
            tell.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    };
    let waits = others.take(MAC, "desk", &on_event);
    let ends = async {
        told.await.unwrap();
        // The owner's own use is not held up by who waits.
        drop(mine.take(MAC, "desk", &ignore).await.unwrap());
        mine.release(MAC, "desk", false).await.unwrap().unwrap();
    };
    let (lease, ()) = tokio::join!(waits, ends);
    lease.unwrap();
}

#[tokio::test]
async fn several_boards_are_had_all_or_none_and_nobody_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let leasing = leasing(folder.path(), LONG);
    let boards =
        [1, 2, 3].map(|last| (Mac::from_bytes([2, 0, 0, 0, 0, last]), ["a", "b", "c"][last as usize - 1]));
    let first = leasing.take(boards[0].0, "a", &ignore).await.unwrap();
    let two = leasing.take_any(&boards, 2, &ignore).await.unwrap();
    assert_eq!(two.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2]);
    let impatient = Leasing { wait: Duration::ZERO, ..leasing.clone() };
    let told = impatient.take_any(&boards, 1, &ignore).await.unwrap_err().to_string();
    assert!(
        told.starts_with("of a, b, c not 1 are free: a is in use by ") && told.contains("; c is in use"),
        "{told}"
    );
    drop((first, two));
    // Each of four wants two of three, again and again.
    let greedy = async || {
        for _ in 0..5 {
            let taken = leasing.take_any(&boards, 2, &ignore).await.unwrap();
            tokio::task::yield_now().await;
            drop(taken);
        }
    };
    tokio::join!(greedy(), greedy(), greedy(), greedy());
}

/// A process that has a lease, or is about to.
struct Process(Child);

impl Process {
    /// `k1-hil boards lock` of the board `mac`.
    fn lock(folder: &Path, mac: Mac) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_k1-hil"))
            .args(["--json", "boards", "lock", &mac.to_string()])
            .current_dir(folder)
            .env("HIL_LOCKS", folder)
            .env("XDG_CONFIG_HOME", folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits until it has said that the board is its own.
    fn has_it(&mut self) {
        use std::io::Read as _;
        let mut byte = [0];
        assert_eq!(self.0.stdout.as_mut().unwrap().read(&mut byte).unwrap(), 1);
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn processes_exclude_each_other_and_a_killed_one_is_named_and_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::lock(folder.path(), MAC);
    process.has_it();
    let leasing = leasing(folder.path(), Duration::ZERO);
    in_a_runtime(async {
        let told = leasing.take(MAC, "desk", &ignore).await.unwrap_err().to_string();
        assert!(told.contains(&format!("k1-hil boards lock of user {}", leasing.owner.user)), "{told}");
        assert!(told.contains(&format!("process {} on", process.0.id())), "{told}");
        process.kill();
        let lease = leasing.take(MAC, "desk", &ignore).await.unwrap();
        assert_eq!(lease.orphan_of.as_ref().unwrap().owner.pid, process.0.id());
    });
}

#[test]
fn who_waits_gets_the_board_when_its_holder_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::lock(folder.path(), MAC);
    process.has_it();
    let leasing = leasing(folder.path(), LONG);
    in_a_runtime(async {
        let process = Mutex::new(&mut process);
        let kill = |event: &Event| {
            assert!(matches!(event, Event::LeaseWaits { .. }));
            process.lock().unwrap().kill();
        };
        assert!(leasing.take(MAC, "desk", &kill).await.unwrap().orphan_of.is_some());
    });
}

/// Killed before it has the lease, while it takes it, while it writes its record, and long after: the moments are
/// random and seeded. The pause before the kill is what is tested.
#[test]
fn a_holder_killed_at_a_hundred_random_moments_never_leaves_a_board_locked() {
    let folder = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);
    let orphans = AtomicU32::new(0);
    let whole = {
        let start = Instant::now();
        Process::lock(folder.path(), Mac::from_bytes([2, 0, 0, 0, 1, 0])).has_it();
        start.elapsed()
    };
    let kill_one = |number: u32| {
        let mac = Mac::from_bytes([2, 0, 0, 0, 2, number as u8]);
        // A multiplicative generator, seeded by the number: the same moments in each run.
        let random = u64::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let mut process = Process::lock(folder.path(), mac);
        std::thread::sleep(whole.mul_f64(1.5 * random as f64 / f64::from(1 << 24)));
        process.kill();
        let leasing = leasing(folder.path(), Duration::ZERO);
        let lease = in_a_runtime(leasing.take(mac, "desk", &ignore)).unwrap();
        orphans.fetch_add(u32::from(lease.orphan_of.is_some()), Ordering::SeqCst);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= 100 {
                        break;
                    }
                    kill_one(number);
                }
            });
        }
    });
    assert!(orphans.into_inner() > 0, "some were killed while they had it");
}
