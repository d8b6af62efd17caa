//! The serial ports of USB devices that are plugged in, from what the system lists; none is opened.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// A serial port of a USB device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsbPort {
    /// The link by which it is the same after the next start, where there is one.
    pub path: PathBuf,
    /// USB vendor and product; 303a:1001 is an ESP32-S3's own USB. None where the system does not say.
    pub vendor_product: Option<(u16, u16)>,
    /// An ESP32-S3's own USB says its MAC here; a bridge, its own.
    pub serial: Option<String>,
}

/// The names of USB serial ports: Linux (CDC and bridges) and macOS.
const PREFIXES: [&str; 5] = ["ttyACM", "ttyUSB", "cu.usbmodem", "cu.usbserial", "cu.wchusbserial"];

/// The ports of this host, by path.
pub fn usb_ports() -> Vec<UsbPort> {
    ports_in(Path::new("/dev"), Path::new("/sys/class/tty"))
}

fn ports_in(dev: &Path, sys: &Path) -> Vec<UsbPort> {
    let mut ports: Vec<UsbPort> = names(dev)
        .into_iter()
        .filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|name| {
            let device = usb_device(&sys.join(&name));
            let number = |file| u16::from_str_radix(&read(device.as_deref()?, file)?, 16).ok();
            UsbPort {
                path: link_to(&dev.join(&name), dev).unwrap_or_else(|| dev.join(&name)),
                vendor_product: number("idVendor").zip(number("idProduct")),
                serial: device.as_deref().and_then(|device| read(device, "serial")),
            }
        })
        .collect();
    ports.sort_by(|a, b| a.path.cmp(&b.path));
    ports
}

/// The link in `serial/by-id` that leads to `port`.
fn link_to(port: &Path, dev: &Path) -> Option<PathBuf> {
    let port = port.canonicalize().ok()?;
    let folder = dev.join("serial/by-id");
    let mut links: Vec<PathBuf> = names(&folder).iter().map(|name| folder.join(name)).collect();
    links.sort();
    links.into_iter().find(|link| link.canonicalize().is_ok_and(|target| target == port))
}

/// The folder of the USB device that the port of `tty` belongs to: the nearest one above that has a vendor.
fn usb_device(tty: &Path) -> Option<PathBuf> {
    let device = tty.join("device").canonicalize().ok()?;
    device.ancestors().find(|folder| folder.join("idVendor").is_file()).map(Path::to_owned)
}

fn read(folder: &Path, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(file)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_by_its_lasting_link_and_its_usb_device() {
        let folder = tempfile::tempdir().unwrap();
        let (dev, sys) = (folder.path().join("dev"), folder.path().join("sys"));
        let usb = folder.path().join("devices/usb1/1-2");
        let interface = usb.join("1-2:1.0");
        for folder in [&dev.join("serial/by-id"), &sys.join("ttyACM0"), &sys.join("ttyUSB1"), &interface] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for (file, text) in
            [("idVendor", "303a\n"), ("idProduct", "1001\n"), ("serial", "A0:B7:65:12:34:56\n")]
        {
            std::fs::write(usb.join(file), text).unwrap();
        }
        std::os::unix::fs::symlink(&interface, sys.join("ttyACM0/device")).unwrap();
        for name in ["ttyACM0", "ttyUSB1", "ttyS0", "null"] {
            std::fs::write(dev.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("../../ttyACM0", dev.join("serial/by-id/usb-Espressif-if00")).unwrap();
        let ports = ports_in(&dev, &sys);
        assert_eq!(
            ports,
            [
                UsbPort {
                    path: dev.join("serial/by-id/usb-Espressif-if00"),
                    vendor_product: Some((0x303a, 0x1001)),
                    serial: Some("A0:B7:65:12:34:56".to_owned()),
                },
                UsbPort { path: dev.join("ttyUSB1"), vendor_product: None, serial: None },
            ]
        );
    }

    #[test]
    fn a_system_without_ports_has_none() {
        let nowhere = Path::new("/nowhere");
        assert_eq!(ports_in(nowhere, nowhere), []);
    }
}
