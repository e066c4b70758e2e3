"""Faults that arcvae promises to withstand, each with the test that provokes it.

Letters: D corpus, C config, W cache of class counts, K writing, R resuming, N numerics, S files from strangers and
secrets, E environment. Whoever adds a fault, or mends one, adds its row.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

FAULTS: dict[str, tuple[str, str]] = {
    "D04": (
        "a pipe, folder, socket or device in place of a file",
        "io/test_door.py::test_what_is_no_regular_file_is_refused_by_every_reader_at_once",
    ),
    "D08": ("flipped, cut and spliced corpus", "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused"),
    "D26": (
        "members exchanged, checksums right",
        "io/test_npz.py::test_written_arrays_are_read_and_exchanged_ones_refused",
    ),
    "D27": (
        "a recording that claims a rate of 1 Hz",
        "audio/corpus/test_recordings.py::test_recording_that_claims_a_rate_of_no_recorder_is_left_out",
    ),
    "D28": (
        "a pipe among the recordings",
        "audio/corpus/test_recordings.py::test_named_pipe_is_left_out_at_once",
    ),
    "C06": (
        "Hydra's own node names code",
        "app/test_hydra_nodes.py::test_node_that_would_run_code_is_refused_before_hydra_sees_it",
    ),
    "C08": ("YAML aliases in a run folder", "app/test_overrides.py::test_bomb_in_a_folder_is_refused_at_once"),
    "C12": (
        "places in a foreign run folder",
        "app/test_overrides.py::test_places_of_a_folder_are_not_obeyed",
    ),
    "C13": (
        "a record names plugins and a task to build",
        "app/jobs/test_compare.py::test_record_of_a_foreign_run_names_no_code_that_is_imported_or_built",
    ),
    "W04": ("damaged cache", "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused"),
    "K01": (
        "killed, or disk full, at every operation of a save",
        "io/test_files.py::test_old_or_new_file_survives_an_interruption_at_every_operation",
    ),
    "K02": (
        "disk full at every operation of every kind of file",
        "test_crash_points.py::test_old_or_new_content_is_read_after_an_interruption_at_every_operation",
    ),
    "K06": ("power loss", "io/test_files.py::test_content_is_on_disk_before_it_takes_the_name"),
    "K07": (
        "exports of which some are new",
        "test_crash_points.py::test_exports_of_which_some_are_new_are_refused_until_they_are_written_again",
    ),
    "K09": (
        "temporary files of killed runs",
        "training/test_run_folder.py::test_parts_of_a_killed_run_are_swept_once_the_folder_is_held",
    ),
    "K13": (
        "what was written does not read back",
        "io/test_files.py::test_what_does_not_read_back_is_written_again_and_then_refused",
    ),
    "R01": (
        "SIGTERM in mid-epoch",
        "training/test_mid_epoch.py::test_signal_leaves_a_checkpoint_to_go_on_from",
    ),
    "R04": (
        "continued at any kind of moment, for both tasks",
        "app/jobs/test_train_moments.py::test_run_that_goes_on_from_any_kind_of_moment_equals_the_uninterrupted_one",
    ),
    "R05": (
        "a resumed run with other noise",
        "app/jobs/test_train_moments.py::test_the_comparison_would_catch_a_run_whose_noise_goes_on_elsewhere",
    ),
    "R06": (
        "kill -9 at random moments",
        "test_killed.py::test_run_that_is_killed_again_and_again_ends_in_the_bytes_of_the_uninterrupted_one",
    ),
    "R07": (
        "the newest checkpoint is damaged",
        "training/test_resuming.py::test_damaged_one_is_passed_over_and_both_are_named",
    ),
    "R11": (
        "hpc_ckpt_9.ckpt planted under Slurm",
        "training/test_run_folder.py::test_checkpoint_that_lightning_would_load_unasked_is_refused",
    ),
    "R15": (
        "odd entries of a checkpoint that is continued",
        "app/jobs/test_train_resumed.py::test_no_odd_entry_of_a_checkpoint_ends_in_a_traceback",
    ),
    "R16": (
        "an optimizer without its state",
        "io/test_stamp.py::test_entry_that_continuing_needs_is_refused_by_name",
    ),
    "R17": (
        "hours of an epoch lost",
        "training/test_mid_epoch.py::test_work_of_no_more_than_the_minutes_given_is_ever_lost",
    ),
    "R18": (
        "continued within an epoch by several processes",
        "training/test_mid_epoch.py::test_two_processes_go_on_within_an_epoch_each_with_its_own",
    ),
    "R19": (
        "another command in the folder of an interrupted run",
        "app/test_command.py::test_record_of_another_command_does_not_end_an_interrupted_run",
    ),
    "E12": (
        "a sweep with a bad corpus, NaN and a kill",
        "test_killed.py::test_sweep_of_which_jobs_fail_and_one_is_killed_is_finished_by_the_same_command",
    ),
    "E13": (
        "SIGTERM in a job of a sweep",
        "app/test_sweep.py::test_job_that_is_interrupted_is_marked_and_those_after_it_were_not_begun",
    ),
    "E17": (
        "two sweeps in one folder",
        "app/test_sweep.py::test_second_sweep_in_a_folder_is_refused_before_it_writes_anything",
    ),
    "S01": (
        "pickled code in a checkpoint",
        "io/test_tensors.py::test_pickled_code_is_refused_whatever_the_environment_says",
    ),
    "S02": (
        "an unsafe way to load anything",
        "test_architecture.py::test_nothing_is_unpickled_and_nothing_built_but_in_build",
    ),
    "S03": ("flipped bits in weights", "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused"),
    "S04": ("deflated bomb", "io/test_tensors.py::test_deflated_bomb_is_refused_before_it_inflates"),
    "S05": (
        "weights of another architecture",
        "io/test_tensors.py::test_weights_fill_a_module_only_if_all_of_them_fit",
    ),
    "S06": (
        "a model of any size",
        "app/test_restore.py::test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run",
    ),
    "S07": (
        "targets and interpolations in a checkpoint",
        "app/test_restore.py::test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run",
    ),
    "S11": ("files for others", "io/test_pickled.py::test_what_torch_saves_is_read_as_torch_reads_it"),
    "S12": ("secrets in what is written", "app/jobs/test_train.py::test_value_of_a_secret_is_in_no_file_of_a_run"),
    "S13": (
        "names that lead out of the folder",
        "app/test_hydra_nodes.py::test_names_cannot_lead_out_of_the_output_folder",
    ),
    "S15": (
        "bytearray(n) and other calls in a pickle",
        "io/test_pickled.py::test_a_pickle_that_calls_anything_is_refused_before_it_costs_anything",
    ),
    "S16": (
        "a storage larger than the file",
        "io/test_pickled.py::test_tensor_that_is_not_in_the_file_is_refused",
    ),
    "S17": (
        "members of a checkpoint exchanged, checksums right",
        "io/test_tensors.py::test_exchanged_members_with_right_checksums_are_refused",
    ),
    "S18": (
        "a flipped bit in safetensors or a prior",
        "io/test_tensors.py::test_a_flipped_bit_in_any_byte_of_a_safetensors_file_is_refused",
    ),
    "S19": (
        "equal runs, unequal bytes",
        "io/test_tensors.py::test_same_content_gives_the_same_bytes_in_any_process",
    ),
}
"""What happens, and the test, by the name of the fault."""


@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_a_test(name: str) -> None:
    file, _, test = FAULTS[name][1].partition("::")
    tree = ast.parse((TESTS / file).read_text())
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
