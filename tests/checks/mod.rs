//! What is true of every kind of artifact store.

use super::*;

pub async fn what_was_put_comes_back(store: Store) {
    let put = artifact("6c241c7", "one").metadata("commit", "6c241c7");
    let Stored { record, new } = store.put(&put).await.unwrap();
    assert!(new);
    let again = artifact("6c241c7", "one").metadata("commit", "told otherwise");
    assert_eq!(store.put(&again).await.unwrap(), Stored { record: record.clone(), new: false });

    store.put(&artifact("7", "two").created(after(1))).await.unwrap();
    store.put(&NewArtifact::new("web".parse().unwrap(), version("1.0+a")).bytes("a", "")).await.unwrap();
    assert_eq!(versions(&store).await, ["7", "6c241c7", "1.0+a"]);
    assert_eq!(store.list(Some(&"firm".parse().unwrap())).await.unwrap(), []);
    assert_eq!(store.show(&name(), None).await.unwrap().record.version, version("7"));
    let error = store.show(&name(), Some("8")).await.unwrap_err();
    assert!(error.to_string().ends_with("has no firmware/k1-node1 8"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let paths = store.get(&record, folder.path()).await.unwrap();
    assert_eq!(paths, ["firmware.bin", "notes/read.me"].map(|path| folder.path().join(path)));
    assert_eq!(std::fs::read(&paths[0]).unwrap(), b"one");
    assert_eq!(std::fs::read(&paths[1]).unwrap(), b"the same for all");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

pub async fn a_version_with_other_content_is_refused_unless_it_is_replaced(store: Store) {
    store.put(&artifact("1", "one")).await.unwrap();
    let error = store.put(&artifact("1", "two")).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Exists { .. }), "{error}");
    assert_eq!(content(&store, "1").await.unwrap(), "one");
    assert!(store.put(&artifact("1", "two").replacing()).await.unwrap().new);
    assert_eq!(content(&store, "1").await.unwrap(), "two");
}

pub async fn a_label_moves_only_from_where_it_is_expected(store: Store) {
    for of in ["1", "2"] {
        store.put(&artifact(of, of)).await.unwrap();
    }
    let stable = label("stable");
    let set = async |of: &str, expected| store.label(&name(), &version(of), &stable, &expected).await;
    let error = set("1", Expected::At(version("2"))).await.unwrap_err();
    assert_eq!(error.to_string(), "the label stable of firmware/k1-node1 is nowhere, not at 2");
    set("1", Expected::Nowhere).await.unwrap();
    let error = set("2", Expected::Nowhere).await.unwrap_err();
    assert_eq!(error.to_string(), "the label stable of firmware/k1-node1 is at 1, not nowhere");
    set("2", Expected::At(version("1"))).await.unwrap();
    set("2", Expected::At(version("1"))).await.unwrap(); // it is what was asked for
    assert_eq!(content(&store, "stable").await.unwrap(), "2");
    assert_eq!(store.show(&name(), Some("2")).await.unwrap().labels, std::slice::from_ref(&stable));

    let error = set("3", Expected::Anywhere).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unknown { .. }), "{error}");
    store.unlabel(&name(), &stable, &Expected::At(version("1"))).await.unwrap_err();
    store.unlabel(&name(), &stable, &Expected::At(version("2"))).await.unwrap();
    store.unlabel(&name(), &stable, &Expected::Anywhere).await.unwrap();
    assert_eq!(store.labels(None).await.unwrap(), []);
}

pub async fn last_good_is_what_a_health_check_said(store: Store) {
    for of in ["1", "2"] {
        store.put(&artifact(of, of)).await.unwrap();
    }
    assert_eq!(store.last_good(&name(), "bench-3").await.unwrap(), None);
    let by_hand = Label::last_good("bench-3").unwrap();
    let error = store.label(&name(), &version("1"), &by_hand, &Expected::Anywhere).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unverified { .. }), "{error}");
    store.mark_good(&name(), &version("1"), "bench-3", " ").await.unwrap_err();
    store.mark_good(&name(), &version("1"), "bench-3", "run 7").await.unwrap();
    store.mark_good(&name(), &version("2"), "production", "run 8").await.unwrap();
    store.mark_good(&name(), &version("1"), "bench-3", "run 9").await.unwrap();
    let good = store.last_good(&name(), "bench-3").await.unwrap().unwrap();
    assert_eq!(good.version, version("1"));
    let evidence: Vec<_> =
        store.labels(None).await.unwrap().into_iter().map(|set| set.evidence.unwrap()).collect();
    assert_eq!(evidence, ["run 9", "run 8"]);
}

pub async fn of_several_puts_at_once_one_makes_the_version(store: Store) {
    let same = join_all((0..8).map(|_| {
        let store = store.clone();
        async move { store.put(&artifact("same", "one")).await }
    }));
    let same: Vec<Stored> = same.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(same.iter().filter(|stored| stored.new).count(), 1);
    assert!(same.iter().all(|stored| stored.record == same[0].record));

    let contents: Vec<String> = (0..8).map(|number| format!("content {number}")).collect();
    let other = join_all(contents.iter().map(|content| {
        let store = store.clone();
        async move { store.put(&artifact("other", content)).await }
    }));
    let other = other.await;
    let winners: Vec<usize> = (0..8).filter(|&number| other[number].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    for result in other.into_iter().filter_map(Result::err) {
        assert!(matches!(result, ArtifactError::Exists { .. }), "{result}");
    }
    assert_eq!(content(&store, "other").await.unwrap(), contents[winners[0]]);
}

pub async fn of_several_who_move_a_label_from_one_place_one_does(store: Store) {
    let versions: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    for of in &versions {
        store.put(&artifact(of, of)).await.unwrap();
    }
    let moved = join_all(versions.iter().map(|of| {
        let store = store.clone();
        async move { store.label(&name(), &version(of), &label("stable"), &Expected::Nowhere).await }
    }));
    let moved = moved.await;
    let winners: Vec<usize> = (0..6).filter(|&number| moved[number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{moved:?}");
    assert_eq!(content(&store, "stable").await.unwrap(), versions[winners[0]]);
}

pub async fn the_clean_up_keeps_what_it_is_told_to(store: Store) {
    for (number, of) in (0..).zip(["1", "2", "3", "4", "5"]) {
        store.put(&artifact(of, of).created(after(number))).await.unwrap();
    }
    store.label(&name(), &version("1"), &label("stable"), &Expected::Anywhere).await.unwrap();
    let policy = Retention { younger_than: 9 * DAY + DAY / 2, ..keep(1) };
    let now = after(11); // 3, 4 and 5 are young enough then
    let would = store.gc(&policy, now, Mode::DryRun).await.unwrap();
    assert_eq!(versions(&store).await.len(), 5);
    let did = store.gc(&policy, now, Mode::Collect).await.unwrap();
    assert_eq!((would.artifacts, would.kept), (did.artifacts.clone(), 4));
    assert_eq!(did.artifacts.len(), 1);
    assert_eq!(versions(&store).await, ["5", "4", "3", "1"]);
    assert_eq!(did.files.len(), 0, "its file is needed while it can be brought back");

    // Setting a label brings back what the clean-up has taken away.
    store.label(&name(), &version("2"), &label("after-all"), &Expected::Nowhere).await.unwrap();
    assert_eq!(content(&store, "2").await.unwrap(), "2");
    store.unlabel(&name(), &label("after-all"), &Expected::Anywhere).await.unwrap();

    store.gc(&keep(1), after(20), Mode::Collect).await.unwrap();
    assert_eq!(versions(&store).await, ["5", "1"]);
    let moved = store.gc(&keep(1), after(30), Mode::Collect).await.unwrap();
    assert_eq!(moved.files.len(), 3, "those of 2, 3 and 4, but not the one that all share");
    let deleted = store.gc(&keep(1), after(40), Mode::Collect).await.unwrap();
    assert_eq!((deleted.deleted, deleted.deleted_bytes), (3, 3));
    for (of, expected) in [("5", "5"), ("stable", "1")] {
        assert_eq!(content(&store, of).await.unwrap(), expected);
    }
}

pub async fn puts_beside_a_clean_up_survive(store: Store) {
    // Long after everything that is sent here, but no later from one clean-up to the next.
    let now = after(10);
    let put = async |task: usize| {
        for round in 0..4 {
            let of = format!("{task}-{round}");
            // The same few contents again and again, which the clean-up finds unneeded in between.
            store.put(&artifact(&of, &format!("content {}", round % 2))).await.unwrap();
            store
                .label(&name(), &version(&of), &label(&format!("of:{task}")), &Expected::Anywhere)
                .await
                .unwrap();
            assert_eq!(
                content(&store, &format!("of:{task}")).await.unwrap(),
                format!("content {}", round % 2)
            );
        }
    };
    let puts = join_all((0..4).map(put));
    let collect = async {
        loop {
            store.gc(&keep(0), now, Mode::Collect).await.unwrap();
        }
    };
    tokio::select! {
        _ = puts => {}
        () = collect => {}
    }
    store.gc(&keep(0), now, Mode::Collect).await.unwrap();
    let kept = versions(&store).await;
    assert_eq!(kept.len(), 4, "those with a label: {kept:?}");
    for of in kept {
        assert_eq!(content(&store, &of).await.unwrap(), "content 1");
    }
}

pub async fn an_image_comes_back_with_paths_that_are_valid(store: Store) {
    let folder = tempfile::tempdir().unwrap();
    let image = super::image(folder.path());
    let metadata = BTreeMap::from([("board".to_owned(), "bench-3".to_owned())]);
    let put = store.put_image(name(), version("1"), &image, metadata).await.unwrap();
    // Built again elsewhere, the same image is the same artifact.
    let elsewhere = tempfile::tempdir().unwrap();
    let again = super::image(elsewhere.path());
    assert!(!store.put_image(name(), version("1"), &again, BTreeMap::new()).await.unwrap().new);

    drop(folder);
    let folder = tempfile::tempdir().unwrap();
    let back = store.get_image(&put.record, folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&back.bin).unwrap(), b"bin");
    assert_eq!(std::fs::read(&back.elf).unwrap(), b"elf");
    let described = k1_hil::image::Image::load(&folder.path().join("image.json")).unwrap();
    assert_eq!(described, back);
    let paths = (again.bin.clone(), again.elf.clone());
    assert_eq!(k1_hil::image::Image { bin: paths.0, elf: paths.1, ..back }, again);

    std::fs::write(&again.elf, "another").unwrap();
    let error = store.put_image(name(), version("2"), &again, BTreeMap::new()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unfit { .. }), "{error}");
    let other = store.put(&artifact("3", "no image")).await.unwrap().record;
    let error = store.get_image(&other, folder.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "firmware/k1-node1 3 is not a firmware image: it has no image.json");
}
