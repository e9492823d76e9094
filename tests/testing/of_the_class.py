"""Rules of ``check_stage`` that need not judge each configuration of a stage, nor each class."""

# What Params, copies, threads, streams and Spark's containers do does not depend on a configuration, nor on a class
# whose base does it, and takes most of the time.
OF_THE_CLASS = dict.fromkeys(
    [
        "copy_transforms_the_same",
        "cross_validates",
        "fit_honours_a_param_map",
        "overwrites_when_asked",
        "persists_in_a_pipeline",
        "persists_in_a_pipeline_model",
        "pickles",
        "refuses_to_overwrite",
        "streams",
        "threads_do_not_meet",
        "threads_fit_at_once",
        "training_form_stays_in_the_fit",
        "transform_honours_a_param_map",
    ],
    "2026-11-23: tried with another configuration, or a class of the same base",
)
