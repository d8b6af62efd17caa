//! The single keys that the K1 firmware listens to, and its menu.
//!
//! Source: K1.node1, `loop()` in `main.cpp`.

use super::k1_log::{Level, Message, info};

/// The tags on the two pages of the menu, with their names.
const PAGES: [&[(char, &str)]; 2] = [
    &[
        ('A', "Audio  "),
        ('G', "GPU    "),
        ('I', "I2S    "),
        ('L', "LED    "),
        ('T', "Tempo  "),
        ('B', "Beat   "),
        ('S', "Sync   "),
        ('W', "WiFi   "),
        ('E', "Web    "),
    ],
    &[('M', "Memory "), ('P', "Profile")],
];

/// What keys have changed since boot.
#[derive(Debug)]
pub struct Keys {
    menu: Menu,
    level: Level,
    /// Tags that are not shown.
    muted: Vec<char>,
    audio_debug: bool,
    tempo_debug: bool,
    audio_trace: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Menu {
    Closed,
    Main,
    Tags(usize),
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Say(Vec<Message>),
    NextPattern,
    /// The heartbeats, and then this.
    Heartbeats(Vec<Message>),
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            menu: Menu::Closed,
            level: Level::Info,
            muted: Vec::new(),
            audio_debug: false,
            tempo_debug: false,
            audio_trace: false,
        }
    }
}

impl Keys {
    /// Whether a message of that level and tag is shown.
    pub fn shows(&self, (level, tag, _): &Message) -> bool {
        *level <= self.level && !self.muted.contains(tag)
    }

    /// Takes one key.
    pub fn press(&mut self, key: u8) -> Wish {
        match (key, self.menu) {
            (b' ', _) => Wish::NextPattern,
            (b'd', _) => Wish::Say(vec![toggled(&mut self.audio_debug, 'A', "Audio diagnostics")]),
            (b't', _) => Wish::Say(vec![toggled(&mut self.tempo_debug, 'T', "Tempo debug")]),
            (b'x', _) => Wish::Say(vec![toggled(&mut self.audio_trace, 'X', "Audio trace")]),
            (b'm', Menu::Closed) => self.open(Menu::Main),
            (b'm', _) | (b'0', Menu::Main) => self.close(),
            (b'1', Menu::Main) => {
                self.level = match self.level {
                    Level::Debug => Level::Info,
                    Level::Info => Level::Warn,
                    Level::Warn => Level::Error,
                    Level::Error => Level::Debug,
                };
                let told = (Level::Debug, '1', format!("Log level: {}", self.level.name()));
                self.after(told)
            }
            (b'2', Menu::Main) => {
                let (_, _, text) = toggled(&mut self.audio_debug, '1', "Audio debug");
                self.after((Level::Debug, '1', text))
            }
            (b'3', Menu::Main) => Wish::Heartbeats(self.page()),
            (b'4', Menu::Main) => self.open(Menu::Tags(0)),
            (b'0', Menu::Tags(0)) => self.open(Menu::Tags(1)),
            (b'9', Menu::Tags(1)) => self.open(Menu::Tags(0)),
            (b'0', Menu::Tags(_)) => self.open(Menu::Main),
            (b'1'..=b'9', Menu::Tags(page)) => match PAGES[page].get(usize::from(key - b'1')) {
                Some((tag, _)) => {
                    match self.muted.iter().position(|muted| muted == tag) {
                        Some(at) => _ = self.muted.remove(at),
                        None => self.muted.push(*tag),
                    }
                    Wish::Say(self.page())
                }
                None => Wish::Say(Vec::new()),
            },
            _ => Wish::Say(Vec::new()),
        }
    }

    fn open(&mut self, menu: Menu) -> Wish {
        self.menu = menu;
        Wish::Say(self.page())
    }

    fn close(&mut self) -> Wish {
        self.menu = Menu::Closed;
        Wish::Say(vec![(Level::Debug, '1', "Menu closed".to_owned())])
    }

    fn after(&self, told: Message) -> Wish {
        let mut said = vec![told];
        said.extend(self.page());
        Wish::Say(said)
    }

    /// The page of the menu that is open.
    fn page(&self) -> Vec<Message> {
        let lines: Vec<String> = match self.menu {
            Menu::Closed => Vec::new(),
            Menu::Main => vec![
                "==== DEBUG MENU ====".to_owned(),
                format!("Level: {}", self.level.name()),
                format!("Audio debug: {}", on_off(self.audio_debug)),
                "--------------------".to_owned(),
                "  1) Cycle log level".to_owned(),
                "  2) Toggle audio debug".to_owned(),
                "  3) Dump heartbeat logs".to_owned(),
                "  4) Toggle log tags...".to_owned(),
                "  0) Close menu".to_owned(),
                "====================".to_owned(),
            ],
            Menu::Tags(page) => {
                let tags = PAGES[page].iter().zip(1..).map(|((tag, name), key)| {
                    format!("{key}) {name} [{}]", on_off(!self.muted.contains(tag)))
                });
                let head = format!("-- Toggle Tags ({}/2) --", page + 1);
                let end: &[&str] =
                    if page == 0 { &["0) Next page"] } else { &["9) Prev page", "0) Back to main"] };
                [head].into_iter().chain(tags).chain(end.iter().map(|line| (*line).to_owned())).collect()
            }
        };
        lines.into_iter().map(|text| info('1', text)).collect()
    }
}

fn toggled(switch: &mut bool, tag: char, name: &str) -> Message {
    *switch = !*switch;
    info(tag, format!("{name}: {}", on_off(*switch)))
}

const fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &mut Keys, key: u8) -> Vec<String> {
        match keys.press(key) {
            Wish::Say(said) | Wish::Heartbeats(said) => said.into_iter().map(|(_, _, text)| text).collect(),
            Wish::NextPattern => vec!["next".to_owned()],
        }
    }

    #[test]
    fn letters_work_without_the_menu_and_digits_only_in_it() {
        let mut keys = Keys::default();
        assert_eq!(press(&mut keys, b'1'), [""; 0]);
        assert_eq!(press(&mut keys, b'd'), ["Audio diagnostics: ON"]);
        assert_eq!(press(&mut keys, b'd'), ["Audio diagnostics: OFF"]);
        assert_eq!(press(&mut keys, b' '), ["next"]);
        assert_eq!(press(&mut keys, b'm')[0], "==== DEBUG MENU ====");
        assert_eq!(press(&mut keys, b'm'), ["Menu closed"]);
    }

    #[test]
    fn the_level_goes_round_and_decides_what_is_shown() {
        let mut keys = Keys::default();
        assert!(keys.shows(&info('A', "")) && !keys.shows(&(Level::Debug, 'A', String::new())));
        press(&mut keys, b'm');
        for name in ["WARN", "ERROR", "DEBUG", "INFO"] {
            assert_eq!(press(&mut keys, b'1')[..1], [format!("Log level: {name}")]);
            assert_eq!(keys.shows(&info('A', "")), ["DEBUG", "INFO"].contains(&name));
        }
    }

    #[test]
    fn a_tag_can_be_muted_on_its_page() {
        let mut keys = Keys::default();
        "m40".bytes().for_each(|key| drop(press(&mut keys, key)));
        assert_eq!(press(&mut keys, b'2')[2], "2) Profile [OFF]");
        assert!(!keys.shows(&info('P', "")));
        assert_eq!(press(&mut keys, b'9')[1], "1) Audio   [ON]");
        assert_eq!(press(&mut keys, b'0')[2], "2) Profile [OFF]");
    }
}
