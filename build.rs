//! Has the library rebuilt when a file is added to or removed from the firmware tree or the patterns that it embeds.

fn main() {
    println!("cargo::rerun-if-changed=firmware");
    println!("cargo::rerun-if-changed=patterns");
}
