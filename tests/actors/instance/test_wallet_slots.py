"""Five runs of one wallet and no sixth, whatever becomes of their processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.instance.state import NoState
from actors.instance.wallet_slots import SLOTS, SlotHolder, WalletFull, take_slot

WALLET = "wallet 0xab chain 1"
HOLD = (
    "import sys, time; from pathlib import Path; from actors.instance.wallet_slots import take_slot;"
    "slot = take_slot(Path(sys.argv[1]), sys.argv[2], sys.argv[3], '/srv/' + sys.argv[3]);"
    "print(slot.number, flush=True); time.sleep(600)"
)


def holding(directory: Path, subaccount: str) -> "subprocess.Popen[str]":
    """Another process that holds a slot, from when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), WALLET, subaccount], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    return process


def test_the_sixth_is_refused_and_told_who_holds_the_slots_and_a_kill_frees_one(tmp_path: Path) -> None:
    processes = [holding(tmp_path, f"sub{number}") for number in range(SLOTS)]
    try:
        with pytest.raises(WalletFull) as full:
            take_slot(tmp_path, WALLET, "sixth", "/srv/sixth")
        assert full.value.holders == tuple(
            SlotHolder(f"sub{number}", process.pid, f"/srv/sub{number}")
            for number, process in enumerate(processes)
        )
        processes[3].send_signal(signal.SIGKILL)
        processes[3].wait()
        slot = take_slot(tmp_path, WALLET, "sixth", "/srv/sixth")
        assert slot.number == 3
        with pytest.raises(WalletFull) as full:
            take_slot(tmp_path, WALLET, "seventh", "/srv/seventh")
        assert [each.subaccount for each in full.value.holders] == ["sub0", "sub1", "sub2", "sixth", "sub4"]
        slot.close()
        take_slot(tmp_path, WALLET, "seventh", "/srv/seventh").close()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_each_wallet_has_slots_of_its_own_in_few_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    for _ in range(3):
        slots = [
            take_slot(tmp_path, wallet, "default", "/srv/a") for wallet in (WALLET, "wallet 0xab chain 2")
        ]
        assert [slot.number for slot in slots] == [0, 0]
        for slot in slots:
            slot.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_slot_whose_file_is_spoilt_is_still_held(tmp_path: Path) -> None:
    slots = [take_slot(tmp_path, WALLET, f"sub{number}", "/srv/a") for number in range(SLOTS)]
    (spoilt,) = tmp_path.glob("*.slot2")
    spoilt.write_bytes(b"\xff{")
    with pytest.raises(WalletFull) as full:
        take_slot(tmp_path, WALLET, "sixth", "/srv/a")
    assert full.value.holders[2] == SlotHolder()
    for slot in slots:
        slot.close()


def test_a_directory_that_cannot_be_used_is_one_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoState):
        take_slot(tmp_path / "file", WALLET, "default", "/srv/a")
