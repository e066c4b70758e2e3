"""Faults that arcvae promises to withstand, each with the tests that provoke it.

Letters: D corpus, C config, W cache of class counts, K writing, R resuming, N numerics, S files from strangers and
secrets, E environment. Those of ``PROMISED`` are the catalogue that the promises are tested by, and stay; whoever adds
a fault, or mends one, adds its row. ``CASES`` are situations that people reported of this and of similar software.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PROMISED = (
    "D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D12 D13 D14 D15 D16 D17 D19 D20 D24 "
    "C01 C02 C03 C04 C06 C07 C11 W01 W02 W03 W04 W05 W06 W07 W09 K01 K02 K03 K04 K05 K06 K07 K08 K10 K13 "
    "R01 R02 R03 R04 R05 R06 R07 R08 R09 R14 N01 N02 N04 N05 N10 S01 S02 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 "
    "E01 E02 E05 E06 E07 E08 E12 E13 E14"
)
"""Their names."""

FAULTS: dict[str, tuple[str, list[str]]] = {
    "D01": ("there is no such file", [
        "io/test_npz.py::test_missing_file_and_broken_links_name_the_absolute_path",
        "test_train.py::test_bad_files_end_in_one_line_and_nothing_is_written",
    ]),
    "D02": ("a folder, or a link that leads nowhere", [
        "io/test_npz.py::test_folder_fifo_and_socket_are_refused_at_once",
        "io/test_npz.py::test_missing_file_and_broken_links_name_the_absolute_path",
        "test_trouble.py::test_path_that_leads_nowhere_is_named",
    ]),
    "D03": ("a file that may not be read", [
        "io/test_door.py::test_file_of_somebody_else_is_a_fault_of_the_system",
        "io/test_npz.py::test_unreadable_file_is_a_fault_of_the_file_system",
    ]),
    "D04": ("a pipe, folder, socket or device in place of a file", [
        "io/test_door.py::test_what_is_no_regular_file_is_refused_by_every_reader_at_once",
        "io/test_npz.py::test_folder_fifo_and_socket_are_refused_at_once",
    ]),
    "D05": ("a file of another kind", [
        "io/test_npz.py::test_foreign_file_is_refused_without_talk_of_pickles",
        "io/test_npz.py::test_npy_called_npz_is_refused",
    ]),
    "D06": ("pickled objects in an array", ["io/test_npz.py::test_objects_are_refused_and_never_unpickled"]),
    "D07": ("a file that ends early", ["io/test_npz.py::test_every_truncation_is_refused"]),
    "D08": ("flipped, cut and spliced corpus", [
        "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused",
        "io/test_npz.py::test_flipped_and_spliced_bytes_never_change_what_is_read",
    ]),
    "D09": ("a header that claims less than there is", [
        "io/test_npz.py::test_shrunken_header_of_a_stored_member_is_refused",
    ]),
    "D10": ("members that are no arrays, twice there, or of other names", [
        "io/test_npz.py::test_member_that_numpy_would_not_refuse_is_refused",
        "io/test_npz.py::test_duplicates_and_other_compressions_are_refused",
        "io/test_npz.py::test_member_names_are_matched_exactly_and_hints_are_at_what_is_read",
    ]),
    "D12": ("encrypted, other compressions, false sizes", [
        "io/test_npz.py::test_encrypted_member_is_refused",
        "io/test_npz.py::test_duplicates_and_other_compressions_are_refused",
        "io/test_npz.py::test_member_that_numpy_would_not_refuse_is_refused",
    ]),
    "D13": ("whole numbers of another type", [
        "grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place",
    ]),
    "D14": ("values that are no colours", [
        "grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place",
    ]),
    "D15": ("colours above 9", [
        "grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place",
        "grid/corpus/test_files.py::test_every_split_is_checked",
    ]),
    "D16": ("other shapes", ["grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place"]),
    "D17": ("empty splits", [
        "grid/corpus/test_files.py::test_empty_validation_is_refused_and_empty_test_is_not",
        "app/jobs/test_train.py::test_without_a_test_split_the_run_is_judged_by_validation",
        "app/jobs/test_evaluate.py::test_empty_split_and_finished_folder_are_refused",
    ]),
    "D19": ("a declared size without data", [
        "io/test_npz.py::test_declared_size_without_data_is_refused_before_memory_is_taken",
    ]),
    "D20": ("a deflate bomb", ["io/test_npz.py::test_deflate_bomb_is_refused_by_its_declared_size"]),
    "D24": ("fewer samples than a batch", [
        "app/jobs/test_train.py::test_without_a_test_split_the_run_is_judged_by_validation",
    ]),
    "D26": ("members exchanged, checksums right", [
        "io/test_npz.py::test_written_arrays_are_read_and_exchanged_ones_refused",
    ]),
    "D27": ("a recording that claims a rate of 1 Hz", [
        "audio/features/test_recording.py::test_recording_that_claims_a_rate_of_no_recorder_is_left_out",
    ]),
    "D28": ("a pipe among the recordings", ["audio/features/test_recording.py::test_named_pipe_is_left_out_at_once"]),
    "C01": ("an unknown key", ["app/test_compose.py::test_each_mistake_is_named_with_its_remedy"]),
    "C02": ("a value of another type", [
        "app/test_compose.py::test_each_mistake_is_named_with_its_remedy",
        "app/test_checks.py::test_each_rule_refuses_what_lies_just_outside",
    ]),
    "C03": ("each number just outside of its range", [
        "app/test_checks.py::test_each_rule_refuses_what_lies_just_outside",
        "app/test_checks.py::test_every_option_composes_without_a_problem_and_every_key_has_a_rule",
    ]),
    "C04": ("an unknown word", ["app/test_compose.py::test_each_mistake_is_named_with_its_remedy"]),
    "C06": ("Hydra's own node names code", [
        "app/test_hydra_nodes.py::test_node_that_would_run_code_is_refused_before_hydra_sees_it",
        "app/test_checks.py::test_targets_are_looked_at_wherever_they_are",
        "app/test_trust.py::test_only_what_a_room_states_may_be_built",
    ]),
    "C07": ("YAML that builds Python objects", ["app/test_compose.py::test_yaml_cannot_build_python_objects"]),
    "C08": ("YAML aliases in a run folder", [
        "app/test_overrides.py::test_bomb_in_a_folder_is_refused_at_once",
        "app/test_compose.py::test_file_of_the_user_that_stands_for_more_than_it_holds_is_refused_at_once",
        "io/test_door.py::test_yaml_is_bounded_by_what_it_stands_for",
    ]),
    "C11": ("Python without assertions", [
        "test_commands.py::test_bad_input_is_refused_with_optimised_python_and_an_ascii_terminal",
        "test_optimised.py::test_refusals_do_not_depend_on_assertions",
        "test_architecture.py::test_input_is_never_checked_by_assert",
    ]),
    "C12": ("places in a foreign run folder", ["app/test_overrides.py::test_places_of_a_folder_are_not_obeyed"]),
    "C13": ("a record names plugins and a task to build", [
        "app/jobs/test_compare.py::test_record_of_a_foreign_run_names_no_code_that_is_imported_or_built",
    ]),
    "C14": ("a config that sets the environment of a job", [
        "app/test_hydra_nodes.py::test_environment_of_a_job_is_not_set_by_a_config",
    ]),
    "C15": ("a log outside of the run folder", ["app/test_hydra_nodes.py::test_log_lies_in_the_run_folder"]),
    "C16": ("odd YAML of the user", ["app/test_compose.py::test_odd_yaml_of_the_user_is_one_line"]),
    "C17": ("a bug in a run with an added key", [
        "app/test_faults.py::test_bug_of_ours_is_one_whatever_keys_were_added",
    ]),
    "W01": ("a class that never occurs", [
        "imbalance/test_weights.py::test_absent_class_leaves_the_others_as_if_it_were_not_there",
    ]),
    "W02": ("another corpus of the same path, size and time", [
        "grid/corpus/test_files.py::test_file_replaced_with_the_same_size_and_time_is_read_again",
        "imbalance/test_counts.py::test_other_labels_of_the_same_shape_are_counted_anew",
    ]),
    "W03": ("the cache of another corpus", [
        "imbalance/test_counts.py::test_entry_of_other_labels_under_this_name_is_ignored",
    ]),
    "W04": ("damaged cache", [
        "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused",
        "imbalance/test_counts.py::test_damaged_entry_is_ignored_with_a_warning_and_rewritten",
    ]),
    "W05": ("a pickle in place of a cache", ["imbalance/test_counts.py::test_planted_pickle_is_never_run"]),
    "W06": ("eight processes at once", ["imbalance/test_counts.py::test_eight_processes_at_once_count_once_and_agree"]),
    "W07": ("the holder of the lock is killed", ["io/test_locks.py::test_waiters_go_on_once_the_holder_is_killed"]),
    "W09": ("a cache that cannot be written", [
        "imbalance/test_counts.py::test_cache_folder_that_cannot_exist_costs_a_warning",
        "imbalance/test_counts.py::test_cache_that_cannot_be_written_costs_a_warning",
    ]),
    "K01": ("killed, or disk full, at every operation of a save", [
        "io/test_files.py::test_old_or_new_file_survives_an_interruption_at_every_operation",
        "test_crash_points.py::test_old_or_new_content_is_read_after_an_interruption_at_every_operation",
    ]),
    "K02": ("the disk is full at any operation of a save", [
        "io/test_files.py::test_old_or_new_file_survives_an_interruption_at_every_operation",
        "test_crash_points.py::test_old_or_new_content_is_read_after_an_interruption_at_every_operation",
    ]),
    "K03": ("a file that the system cuts off", [
        "io/test_files.py::test_file_that_the_system_cuts_off_leaves_the_old_one",
        "test_crash_points.py::test_disk_that_is_full_at_any_file_ends_a_run_in_one_line_and_the_same_command_goes_on",
    ]),
    "K04": ("a folder that cannot be written", [
        "test_train.py::test_output_folder_that_cannot_be_written_ends_in_one_line",
        "training/test_checkpoint.py::test_checkpoint_that_cannot_be_written_is_an_error_and_leaves_nothing",
    ]),
    "K05": ("no folder for temporary files", [
        "io/test_files.py::test_writing_does_not_depend_on_the_folder_for_temporary_files",
    ]),
    "K06": ("power loss", ["io/test_files.py::test_content_is_on_disk_before_it_takes_the_name"]),
    "K07": ("exports of which some are new", [
        "test_crash_points.py::test_exports_of_which_some_are_new_are_refused_until_they_are_written_again",
    ]),
    "K08": ("killed between the new best checkpoint and the old", [
        "training/test_callbacks.py::test_killed_between_the_new_best_and_the_old_one_a_run_has_one_that_loads",
    ]),
    "K09": ("temporary files of killed runs", [
        "training/test_run_folder.py::test_parts_of_a_killed_run_are_swept_once_the_folder_is_held",
    ]),
    "K10": ("metrics that are not numbers", [
        "io/test_files.py::test_json_is_strict",
        "training/test_record.py::test_figures_that_are_not_numbers_are_written_as_null",
    ]),
    "K13": ("what was written does not read back", [
        "io/test_files.py::test_what_does_not_read_back_is_written_again_and_then_refused",
    ]),
    "K14": ("a place where nothing can be written, named for the result of long work", [
        "app/test_output.py::test_place_that_cannot_be_written_is_refused_before_the_work",
        "app/test_output.py::test_file_system_in_which_not_even_root_makes_files",
        "test_corpus.py::test_file_that_cannot_be_written_is_refused_before_the_work",
    ]),
    "K15": ("a link, a pipe or a device in place of a file that is to be written", [
        "io/test_files.py::test_link_is_followed_on_request_and_else_replaced",
        "io/test_files.py::test_pipe_or_folder_that_the_user_names_is_not_replaced",
        "test_corpus.py::test_link_is_written_through",
    ]),
    "R01": ("SIGTERM within an epoch", [
        "training/test_mid_epoch.py::test_signal_leaves_a_checkpoint_to_go_on_from",
        "test_commands.py::test_signal_ends_a_run_with_its_code_and_a_checkpoint_that_loads",
    ]),
    "R02": ("Ctrl-C, and a second one", [
        "test_commands.py::test_signal_ends_a_run_with_its_code_and_a_checkpoint_that_loads",
        "app/test_command.py::test_second_signal_ends_the_process_at_once",
    ]),
    "R03": ("a signal in validation, a save, an export, before the fit", [
        "training/test_mid_epoch.py::test_signal_leaves_a_checkpoint_to_go_on_from",
        "app/jobs/test_train_moments.py::test_run_that_goes_on_from_any_kind_of_moment_equals_the_uninterrupted_one",
    ]),
    "R04": ("resuming at any moment", [
        "training/test_mid_epoch.py::test_run_that_goes_on_from_any_moment_equals_the_uninterrupted_one",
        "app/jobs/test_train_resumed.py::test_resumed_run_equals_the_uninterrupted_one_bit_for_bit",
        "app/jobs/test_train_moments.py::test_run_that_goes_on_from_any_kind_of_moment_equals_the_uninterrupted_one",
    ]),
    "R05": ("the control: resuming without our callback", [
        "training/test_mid_epoch.py::test_run_that_goes_on_from_any_moment_equals_the_uninterrupted_one",
        "app/jobs/test_train_moments.py::test_the_comparison_would_catch_a_run_whose_noise_goes_on_elsewhere",
    ]),
    "R06": ("kill -9 at random moments", [
        "test_killed.py::test_run_that_is_killed_again_and_again_ends_in_the_bytes_of_the_uninterrupted_one",
    ]),
    "R07": ("a damaged newest checkpoint", [
        "training/test_resuming.py::test_damaged_one_is_passed_over_and_both_are_named",
        "app/jobs/test_train_again.py::test_damaged_checkpoint_costs_no_exports",
    ]),
    "R08": ("nothing to resume", [
        "test_train.py::test_bad_files_end_in_one_line_and_nothing_is_written",
        "app/jobs/test_train_again.py::test_run_that_dies_before_its_first_checkpoint_begins_again",
    ]),
    "R09": ("resuming with other settings", [
        "app/jobs/test_train.py::test_run_is_continued_with_its_own_settings_only",
    ]),
    "R11": ("hpc_ckpt_9.ckpt planted under Slurm", [
        "training/test_run_folder.py::test_checkpoint_that_lightning_would_load_unasked_is_refused",
    ]),
    "R14": ("two resumes of one run at once", [
        "app/jobs/test_train_again.py::test_second_resume_of_a_run_is_refused_at_once_and_the_first_goes_on",
    ]),
    "R15": ("odd entries of a checkpoint that is continued", [
        "app/jobs/test_train_resumed.py::test_no_odd_entry_of_a_checkpoint_ends_in_a_traceback",
    ]),
    "R16": ("an optimizer without its state", [
        "io/test_stamp.py::test_entry_that_continuing_needs_is_refused_by_name",
    ]),
    "R17": ("hours of an epoch lost", [
        "training/test_mid_epoch.py::test_work_of_no_more_than_the_minutes_given_is_ever_lost",
    ]),
    "R18": ("continued within an epoch by several processes", [
        "training/test_mid_epoch.py::test_two_processes_go_on_within_an_epoch_each_with_its_own",
    ]),
    "R19": ("another command in the folder of an interrupted run", [
        "app/test_command.py::test_record_of_another_command_does_not_end_an_interrupted_run",
    ]),
    "N01": ("a loss that is not finite", [
        "training/test_module.py::test_loss_that_is_not_finite_ends_training_with_step_parts_and_remedy",
        "app/jobs/test_train.py::test_loss_that_is_not_finite_ends_the_run_and_leaves_no_best",
    ]),
    "N02": ("a monitored figure that is not a number", [
        "training/test_callbacks.py::test_best_epoch_and_last_epoch_are_kept",
        "training/test_callbacks.py::test_epoch_without_a_score_is_never_the_best",
        "app/jobs/test_train.py::test_monitor_that_is_never_a_number_ends_the_run_without_exports",
    ]),
    "N04": ("a batch of one", [
        "grid/models/test_base.py::test_every_parameter_gets_a_gradient",
        "audio/test_model.py::test_batch_of_one_clip_trains",
    ]),
    "N05": ("gamma 0 and beta 0", [
        "imbalance/test_losses.py::test_focal_with_gamma_zero_is_weighted_cross_entropy",
        "grid/test_module.py::test_beta_zero_is_an_autoencoder_loss",
    ]),
    "N10": ("no training step", ["app/jobs/test_train.py::test_values_that_only_the_corpus_proves_wrong_are_refused"]),
    "S01": ("pickled code in a checkpoint", [
        "io/test_tensors.py::test_pickled_code_is_refused_whatever_the_environment_says",
        "app/test_restore.py::test_pickle_that_calls_runs_nothing_wherever_it_is_given",
    ]),
    "S02": ("an unsafe way to load anything", [
        "test_architecture.py::test_nothing_is_unpickled_and_nothing_built_but_in_build",
    ]),
    "S03": ("flipped bits in weights", [
        "io/test_mutants.py::test_mutants_are_read_as_the_original_or_refused",
        "io/test_tensors.py::test_flipped_cut_and_spliced_files_are_never_read_as_something_else",
    ]),
    "S04": ("deflated bomb", ["io/test_tensors.py::test_deflated_bomb_is_refused_before_it_inflates"]),
    "S05": ("weights of another architecture", [
        "io/test_tensors.py::test_weights_fill_a_module_only_if_all_of_them_fit",
        "app/test_restore.py::test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run",
    ]),
    "S06": ("a model of any size", [
        "app/test_restore.py::test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run",
    ]),
    "S07": ("targets and interpolations in a checkpoint", [
        "app/test_restore.py::test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run",
    ]),
    "S08": ("checkpoints of newer and older versions", [
        "io/test_exports.py::test_newer_formats_ask_for_an_update",
        "golden/test_golden.py::test_checkpoint_is_evaluated_to_the_same_figures",
        "golden/test_golden.py::test_run_is_continued_to_the_same_figures",
    ]),
    "S10": ("one kind of file for another", [
        "io/test_exports.py::test_other_files_are_told_by_what_they_are",
        "test_evaluate.py::test_faults_end_in_one_line_with_their_code",
        "grid/test_codec.py::test_half_of_a_model_does_half_of_the_work",
    ]),
    "S11": ("files for others", [
        "io/test_pickled.py::test_what_torch_saves_is_read_as_torch_reads_it",
        "app/jobs/test_train.py::test_every_torch_file_opens_with_weights_only",
    ]),
    "S12": ("secrets in what is written", [
        "app/jobs/test_train.py::test_value_of_a_secret_is_in_no_file_of_a_run",
        "test_train.py::test_value_of_the_environment_is_used_but_written_nowhere",
        "app/jobs/test_evaluate.py::test_path_out_of_the_environment_is_written_nowhere",
    ]),
    "S13": ("names that lead out of the folder", [
        "app/test_hydra_nodes.py::test_names_cannot_lead_out_of_the_output_folder",
    ]),
    "S15": ("bytearray(n) and other calls in a pickle", [
        "io/test_pickled.py::test_a_pickle_that_calls_anything_is_refused_before_it_costs_anything",
    ]),
    "S16": ("a storage larger than the file", ["io/test_pickled.py::test_tensor_that_is_not_in_the_file_is_refused"]),
    "S17": ("members of a checkpoint exchanged, checksums right", [
        "io/test_tensors.py::test_exchanged_members_with_right_checksums_are_refused",
    ]),
    "S18": ("a flipped bit in safetensors or a prior", [
        "io/test_tensors.py::test_a_flipped_bit_in_any_byte_of_a_safetensors_file_is_refused",
    ]),
    "S19": ("equal runs, unequal bytes", ["io/test_tensors.py::test_same_content_gives_the_same_bytes_in_any_process"]),
    "E01": ("no W&B", ["test_commands.py::test_run_needs_no_network_and_no_wandb"]),
    "E02": ("no network", ["test_commands.py::test_run_needs_no_network_and_no_wandb"]),
    "E05": ("two runs in one folder", [
        "app/test_command.py::test_folder_of_a_running_run_is_refused_before_the_job_and_stays_as_it_is",
        "app/jobs/test_train_again.py::test_second_resume_of_a_run_is_refused_at_once_and_the_first_goes_on",
    ]),
    "E06": ("two sweeps in the same second", [
        "app/test_identity.py::test_run_folders_of_the_same_second_differ",
        "app/test_sweep.py::test_folder_that_hydra_would_make_up_is_settled_once_and_held",
    ]),
    "E07": ("a folder of a finished run", [
        "test_train.py::test_faults_of_the_job_end_in_one_line_with_their_code",
        "app/jobs/test_train_again.py::test_same_command_goes_on_in_its_folder_until_it_says_that_it_is_finished",
    ]),
    "E08": ("ASCII terminals and locales", [
        "io/test_streams.py::test_table_is_shown_with_what_the_stream_can_show",
        "io/test_streams.py::test_log_is_utf8_whatever_the_locale",
        "test_commands.py::test_bad_input_is_refused_with_optimised_python_and_an_ascii_terminal",
    ]),
    "E12": ("one bad corpus in a sweep", [
        "app/test_sweep.py::test_each_job_has_its_state_and_a_file_that_one_lacks_stops_no_other",
        "test_killed.py::test_sweep_of_which_jobs_fail_and_one_is_killed_is_finished_by_the_same_command",
    ]),
    "E13": ("SIGTERM in a job of a sweep", [
        "app/test_sweep.py::test_job_that_is_interrupted_is_marked_and_those_after_it_were_not_begun",
    ]),
    "E14": ("a job of a sweep alone", ["test_train.py::test_job_of_a_sweep_is_the_job_alone"]),
    "E17": ("two sweeps in one folder", [
        "app/test_sweep.py::test_second_sweep_in_a_folder_is_refused_before_it_writes_anything",
    ]),
    "E18": ("a named pipe in place of a lock or a log", [
        "io/test_locks.py::test_lock_that_is_no_file_is_refused_at_once",
        "training/test_run_folder.py::test_pipe_among_what_a_run_writes_is_refused_at_once",
        "app/test_sweep.py::test_states_that_cannot_be_read_cost_no_job",
    ]),
    "E19": ("a command that writes into no run folder, given in one", [
        "app/test_command.py::test_command_without_a_run_folder_works_in_one",
    ]),
    "E20": ("two sweeps of such a command at once", [
        "app/test_sweep.py::test_sweep_without_run_folders_leaves_nothing_and_two_do_not_meet",
    ]),
}  # fmt: skip
"""What happens, and the tests, by the name of the fault."""

CASES: dict[str, tuple[str, list[str]]] = {
    "1": ("Lightning 20391, 19762: a job of four Slurm tasks", [
        "test_trouble.py::test_commands_of_one_process_work_in_a_job_of_several_tasks",
        "training/test_cluster.py::test_trainer_of_one_process_is_made_in_a_job_of_four_tasks",
    ]),
    "5": ("output into a pipe that ends", [
        "io/test_streams.py::test_run_without_a_reader_keeps_its_log",
        "io/test_streams.py::test_reader_that_goes_away_does_not_end_a_command",
    ]),
    "9": ("Lightning 1901: validation every five epochs", [
        "app/test_compose.py::test_each_mistake_is_named_with_its_remedy",
        "training/test_settings.py::test_a_single_value_is_told_in_words",
    ]),
    "11": ("Lightning 12225: a run folder that was moved", [
        "app/jobs/test_train_again.py::test_continued_run_is_never_without_a_checkpoint_and_may_be_moved",
    ]),
    "13": ("hydra 1577: an equals sign in a path", [
        "app/test_compose.py::test_each_mistake_is_named_with_its_remedy",
        "app/test_compose.py::test_quoted_form_that_is_told_can_be_typed",
        "app/test_overrides.py::test_remedy_is_what_was_meant_once_it_is_typed",
    ]),
    "15": ("hydra 1647: an accent in a path", [
        "app/test_compose.py::test_each_mistake_is_named_with_its_remedy",
    ]),
    "16": ("hydra 1647: the home folder", [
        "test_trouble.py::test_tilde_is_the_home_folder_wherever_a_path_is_given",
        "app/test_overrides.py::test_tilde_is_the_home_folder",
    ]),
    "19": ("hydra 922: jobs that change the folder", [
        "app/test_command.py::test_relative_paths_mean_the_same_in_the_check_and_in_the_job",
    ]),
    "22": ("hydra 2047: the value of a job", [
        "app/test_command.py::test_value_of_a_job_reaches_callbacks_and_sweepers",
        "app/test_command.py::test_sweeper_that_searches_gets_values_and_sees_a_job_fail",
    ]),
    "26": ("PyTorch-VAE 81: a GPU that is not there", [
        "training/test_hardware.py::test_device_that_is_not_there_is_refused",
        "test_train.py::test_faults_of_the_job_end_in_one_line_with_their_code",
    ]),
    "28": ("keys of Lightning that the config leaves out", [
        "app/test_compose.py::test_each_mistake_is_named_with_its_remedy",
        "test_remedies.py::test_remedy_leads_on_once_it_is_typed",
    ]),
    "29": ("Lightning 2586: several checkpoints", [
        "test_trouble.py::test_several_checkpoints_are_kept_and_the_best_is_found",
    ]),
    "31": ("consoles that cannot show a character", [
        "io/test_streams.py::test_table_is_shown_with_what_the_stream_can_show",
        "io/test_streams.py::test_log_is_utf8_whatever_the_locale",
    ]),
    "33": ("folders that cannot be opened", [
        "io/test_files.py::test_file_counts_as_written_where_folders_cannot_be_synced",
    ]),
    "42": ("voxelmorph 315: grids of fractions", [
        "grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place",
    ]),
    "43": ("grids with -1", [
        "grid/corpus/test_files.py::test_what_is_no_corpus_is_refused_with_split_and_place",
    ]),
    "44": ("ImageVAE 2: grids that are not split", [
        "grid/corpus/test_files.py::test_grids_that_are_not_split_are_split_as_the_message_says",
        "io/test_npz.py::test_member_names_are_matched_exactly_and_hints_are_at_what_is_read",
    ]),
    "52": ("pytorch 7455: a parameter that the loss lacks", [
        "app/test_command.py::test_what_a_class_or_loss_does_not_take_is_refused_before_anything_is_written",
    ]),
    "54": ("the same grids in train and test", [
        "training/test_data.py::test_leak_is_a_warning_and_a_chance_repetition_is_not",
        "audio/corpus/test_data.py::test_held_out_clips_that_are_trained_on_are_reported",
    ]),
    "66": ("Lightning 17593: a run folder for a checkpoint", [
        "test_trouble.py::test_run_folder_stands_for_its_checkpoints",
    ]),
}  # fmt: skip
"""What was reported, and the tests, by the number of the case."""


@cache
def names_in(file: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", [*FAULTS, *CASES])
def test_fault_has_a_test(name: str) -> None:
    what, tests = (FAULTS | CASES)[name]
    assert what
    assert tests
    assert [test for test in tests if test.partition("::")[2] not in names_in(test.partition("::")[0])] == []


def test_every_promise_has_a_row() -> None:
    assert len(PROMISED.split()) == 80
    assert set(PROMISED.split()) <= set(FAULTS)
