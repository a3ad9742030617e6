//! Every finding by its name: what users search for, what tests hold, and what a run's events name.

use super::Severity;

/// One kind of fault or doubt.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Kebab-case and stable.
    pub name: &'static str,
    pub severity: Severity,
    /// Whether a user may give it another level, or silence it: it hinders no graph, and a program
    /// that has it may be meant.
    pub is_lint: bool,
    /// What is wrong wherever it is found, in one line.
    pub summary: &'static str,
    /// What it means and what to do, in Markdown, as `cpipe explain` shows it.
    pub page: &'static str,
}

impl Finding {
    /// Whether a comment in a text may silence it. What is about such comments, none does.
    pub fn is_silenced_by_comments(&self) -> bool {
        self.is_lint && ![UNUSED_IGNORE, UNKNOWN_FINDING].contains(&self)
    }

    /// How a user chooses its level, in Markdown; nothing where that is not possible.
    pub fn choice(&self) -> String {
        let name = self.name;
        if !self.is_lint {
            return String::new();
        }
        let options = format!(
            "The options `--error {name}` and `--ignore {name}` of `cpipe check` choose its level"
        );
        match self.is_silenced_by_comments() {
            true => format!(
                "{options}; at one place a comment silences it, on the line or alone on the line \
                 above:\n\n```\n// cpipe: ignore[{name}]\n```\n"
            ),
            false => format!("{options}.\n"),
        }
    }
}

/// What the column behind the severity says.
macro_rules! is_lint {
    () => {
        false
    };
    (lint) => {
        true
    };
}

macro_rules! findings {
    ($($group:literal: $($constant:ident $name:literal $severity:ident $($lint:ident)?
        $summary:literal;)*)*) => {
        $($(
            #[doc = $summary]
            pub const $constant: &Finding = &Finding {
                name: $name,
                severity: Severity::$severity,
                is_lint: is_lint!($($lint)?),
                summary: $summary,
                page: include_str!(concat!("pages/", $name, ".md")),
            };
        )*)*

        /// All of them, by what they are about.
        pub static GROUPS: &[(&str, &[&Finding])] = &[$(($group, &[$($constant),*])),*];
    };
}

/// Those of which a user may choose the level.
pub fn lints() -> impl Iterator<Item = &'static Finding> {
    all().filter(|finding| finding.is_lint)
}

/// The one of that name.
pub fn named(name: &str) -> Option<&'static Finding> {
    all().find(|finding| finding.name == name)
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Finding> {
    GROUPS.iter().flat_map(|(_, findings)| findings.iter().copied())
}

findings! {
    "texts and modules":
    FILE_UNREADABLE "file-unreadable" Error "a file cannot be read, or is no ordinary file";
    FILE_TOO_LARGE "file-too-large" Error "a file is larger than any program is";
    NOT_TEXT "not-text" Error "a file is not UTF-8 text";
    PAGE_UNWRITABLE "page-unwritable" Error "a page of HTML cannot be written";
    NO_RUN "no-run" Error "a folder holds no record of a run";
    SYNTAX_ERROR "syntax-error" Error "a stretch of text fits no rule of the language";
    NESTING_TOO_DEEP "nesting-too-deep" Error "brackets, names or defines are nested beyond a limit";
    CHAIN_TOO_LONG "chain-too-long" Error "too many steps, or calls and accesses, stand in a row";
    UNKNOWN_MODULE "unknown-module" Error "the library has no module of that name";
    IMPORT_NOT_FOUND "import-not-found" Error "a `use` names a file or a name that is not there";
    IMPORT_CYCLE "import-cycle" Error "files use each other in a circle";
    EXTERN_OUTSIDE_LIBRARY "extern-outside-library" Error "only the library declares what Rust implements";
    UNUSED_IMPORT "unused-import" Warning lint "a name is imported and not used";
    UNUSED_NAME "unused-name" Warning lint "a name is declared and not used";
    UNUSED_IGNORE "unused-ignore" Warning lint "a comment silences nothing";
    UNKNOWN_FINDING "unknown-finding" Warning lint "a comment is to silence what no finding is called";
    UNUSED_VALUE "unused-value" Error "a value is computed and goes nowhere";

    "names":
    UNKNOWN_NAME "unknown-name" Error "nothing of that name is in scope";
    UNKNOWN_FIELD "unknown-field" Error "a value or a stage has no field of that name";
    UNKNOWN_ARGUMENT "unknown-argument" Error "what is called takes no such argument";
    UNKNOWN_KIND "unknown-kind" Error "no value or stage is of that kind";
    UNKNOWN_TYPE "unknown-type" Error "no type has that name";
    UNKNOWN_UNIT "unknown-unit" Error "no unit has that name";
    UNKNOWN_PARAMETER "unknown-parameter" Error "an override names nothing of the pipeline";
    UNKNOWN_PIPELINE "unknown-pipeline" Error "the file has no pipeline of that name";
    UNKNOWN_PROFILE "unknown-profile" Error "the pipeline has no profile of that name";
    DUPLICATE_NAME "duplicate-name" Error "a name, a field or an argument is given twice";
    OVERRIDE_CHANGES_NOTHING "override-changes-nothing" Warning lint "an override gives what is there already, or what nothing reads";
    AMBIGUOUS_PARAMETER "ambiguous-parameter" Error "an override could mean several things";
    SHADOWED_NAME "shadowed-name" Warning lint "a name hides an operation that is in scope";
    DEPRECATED "deprecated" Warning lint "a name is used that its documentation gives up";
    MISSING_ARGUMENT "missing-argument" Error "an argument without a default is not given";
    MISSING_FIELD "missing-field" Error "a field without a default is not given";
    MISSING_RESULT "missing-result" Error "a define gives nothing";
    REFERENCE_CYCLE "reference-cycle" Error "a value depends on itself";
    RECURSIVE_DEFINE "recursive-define" Error "a define uses itself";

    "values":
    TYPE_MISMATCH "type-mismatch" Error "a value is of another type than is wanted there";
    SHAPE_MISMATCH "shape-mismatch" Error "a tensor has another shape than is wanted there";
    OUT_OF_RANGE "out-of-range" Error "a number lies outside of what is allowed there";
    TOO_LARGE "too-large" Error "what is declared does not fit into the memory of the machine";
    TOO_MANY_STEPS "too-many-steps" Error "a program takes too long to check";
    TOO_MANY_EXPANSIONS "too-many-expansions" Error "defines use each other too often";
    BAD_OVERRIDE "bad-override" Error "an override is not `name=value`";

    "pipelines and objectives":
    NO_PIPELINE "no-pipeline" Error "a file that is to be run declares no pipeline";
    SEVERAL_PIPELINES "several-pipelines" Error "a file declares several pipelines and none is chosen";
    NO_STAGE "no-stage" Error "a pipeline has nothing to run";
    NO_STEP "no-step" Error "a stage would end before its first step";
    NO_ENCODER "no-encoder" Error "an objective trains no encoder";
    NO_GRADIENT "no-gradient" Error "no gradient reaches what is to be trained";
    OUTSIDE_OBJECTIVE "outside-objective" Error "a tensor is used outside of an objective";
    GROUP_BATCH "group-batch" Error "the groups of a batch are not of one size";
    PART_BATCH "part-batch" Error "the parts of a batch are not of one size";
    QUEUE_BATCH "queue-batch" Error "a queue does not hold whole batches";
    CROP_TOO_LARGE "crop-too-large" Error "a crop is larger than the image and its padding";
    LABELS_MISSING "labels-missing" Error "labels are read from a split that has none";
    LABELS_UNUSED "labels-unused" Error "labels are handed to a stage that reads none";
    TEST_LEAK "test-leak" Error "test examples are used for training";
    JUDGED_ON_ITS_OWN_EXAMPLES "judged-on-its-own-examples" Error "a protocol is judged on what it was fitted to";
    CHANCE_IN_EVALUATION "chance-in-evaluation" Error "an evaluation looks at what is drawn at random of an image";
    PAIRS_WITHOUT_CHANCE "pairs-without-chance" Error "two views that are compared are the same picture";
    KEEP_WITHIN_EPOCH "keep-within-epoch" Error "encoders are kept at the end of epochs only";
    KEEP_BEYOND_LENGTH "keep-beyond-length" Error "nothing would be kept before the end";
    WARMUP_TOO_LONG "warmup-too-long" Error "a warm-up takes the whole length";

    "doubts":
    ONLY_ATTRACTION "only-attraction" Warning lint "a loss only pulls together, and nothing prevents a collapse";
    COLLAPSE_REWARDED "collapse-rewarded" Warning lint "a loss falls as the representations of all images become alike";
    ONLY_REPULSION "only-repulsion" Warning lint "a loss pushes the views of an image apart";
    NORM_OF_FEW "norm-of-few" Warning lint "batch norms see a few images at a time";
    WHITENED_ALIKE "whitened-alike" Warning lint "whitening makes the same of all rows that a group may hold";
    UNTRAINED_NETWORK "untrained-network" Warning lint "a network that the loss reads keeps its random weights";
    QUEUE_LARGER_THAN_DATA "queue-larger-than-data" Warning lint "a queue reaches back beyond an epoch";
    FEATURES_NOT_NORMALIZED "features-not-normalized" Warning lint "a temperature divides lengths, not directions";
    UNUSUAL_TEMPERATURE "unusual-temperature" Warning lint "a temperature is far from any in use";
    BATCH_NORM_LEAK "batch-norm-leak" Warning lint "batch statistics tell a query its key";
    POSITIVE_AMONG_NEGATIVES "positive-among-negatives" Warning lint "a view is told from its own positive";
    ROW_AGAINST_ITSELF "row-against-itself" Warning lint "a row is told from itself, or is its own positive";
    QUEUE_OF_THE_LEARNER "queue-of-the-learner" Warning lint "a queue of negatives holds what the trained network itself has made";
    ROWS_FOR_COLUMNS "rows-for-columns" Warning lint "a number of each row meets the columns";
    ROWS_OF_ONE_VIEW "rows-of-one-view" Warning lint "rows of one view are taken for views of an image";
    SOFTMAX_TWICE "softmax-twice" Warning lint "a softmax is taken of probabilities";
    SOFTMAX_OF_ONE "softmax-of-one" Warning lint "a softmax is taken of one number alone";
    LOGARITHM_OF_LOGARITHMS "logarithm-of-logarithms" Warning lint "a logarithm is taken of logarithms";
    SAME_VIEW "same-view" Warning lint "a view is compared with itself";
    UNUSED_VIEW "unused-view" Warning lint "a view is made and not read";
    VIEWS_WITHOUT_CHANCE "views-without-chance" Warning lint "the views of an image are all the same";
    FEATURES_TOO_COARSE "features-too-coarse" Warning lint "images are too small for the encoder";
    PATCHES_LEAVE_A_REST "patches-leave-a-rest" Warning lint "patches do not cover the views";
    FEW_NEGATIVES "few-negatives" Warning lint "a view is told from a handful of others";
    EXAMPLES_LEFT_OUT "examples-left-out" Warning lint "batches leave a large part of every epoch out";
    UNUSUAL_WEIGHT_DECAY "unusual-weight-decay" Warning lint "a weight decay is far from any in use";
    LONG_WARMUP "long-warmup" Warning lint "a warm-up takes more than half of the length";
    UNFINISHED_SCHEDULE "unfinished-schedule" Warning lint "a schedule ends behind the training";
    UNUSUAL_LEARNING_RATE "unusual-learning-rate" Warning lint "a learning rate is far from any in use";
    JUDGED_ON_ANOTHER_DATASET "judged-on-another-dataset" Warning lint "a protocol is fitted on one dataset and judged on another";
    JUDGED_ON_TRAINING_EXAMPLES "judged-on-training-examples" Warning lint "a model is judged on what it was trained on";
    MORE_LABELS_SEEN "more-labels-seen" Warning lint "an encoder has seen more labels than its classifier is to learn from";
    MOMENTUM_AT_THE_EDGE "momentum-at-the-edge" Warning lint "a momentum of 1, or below a half, makes an average of nothing";

    "runs":
    INTERRUPTED "interrupted" Error "the user has stopped the run";
    DEVICE_UNAVAILABLE "device-unavailable" Error "a device is not there, or not built in";
    PRECISION_UNAVAILABLE "precision-unavailable" Error "a device does not compute in the precision of a stage";
    DATASET_MISSING "dataset-missing" Error "a dataset is not found";
    DATASET_INCOMPLETE "dataset-incomplete" Error "a dataset lacks files";
    DATASET_DAMAGED "dataset-damaged" Error "a file of a dataset is not what it should be";
    DATASET_DIFFERS "dataset-differs" Error "a folder is not what the pipeline says of it";
    DOWNLOAD_FAILED "download-failed" Error "a dataset could not be downloaded";
    DOWNLOAD_DAMAGED "download-damaged" Error "a server sent other bytes than were published";
    IO_ERROR "io-error" Error "a file could not be read or written";
    STORE_UNWRITABLE "store-unwritable" Error "the store cannot be written";
    STORE_UNREADABLE "store-unreadable" Error "the store cannot be read";
    STAGE_LOCKED "stage-locked" Error "another process computes the stage";
    STAGE_DAMAGED "stage-damaged" Error "a stored stage is not what was stored";
    CHECKPOINT_DAMAGED "checkpoint-damaged" Error "a checkpoint cannot be gone on from";
    LOG_DAMAGED "log-damaged" Error "the log of a stage in progress cannot be read";
    RUN_FOLDER_UNWRITABLE "run-folder-unwritable" Error "the record of a run cannot be written";
    DISK_TOO_SMALL "disk-too-small" Error "a run would fill the disk";
    MEMORY_TOO_SMALL "memory-too-small" Error "a run takes more memory than is free";
    OUTPUT_UNWRITABLE "output-unwritable" Error "the results could not be shown";
    SIGNALS_UNAVAILABLE "signals-unavailable" Error "the process could not ask to be told of Ctrl-C";
    LOSS_NOT_FINITE "loss-not-finite" Error "a loss became NaN or infinite";
    STATE_NOT_FINITE "state-not-finite" Error "an update left NaN or infinity in what is trained";
    COLLAPSE "collapse" Warning "an encoder gives nearly the same features to every example";
    DIVERGENCE "divergence" Warning "the loss of a step is NaN or infinite";
    EVALUATION_FAILED "evaluation-failed" Error "a protocol could not be carried out";
    OBJECTIVE_FAILED "objective-failed" Error "an objective could not be carried out";
    WEIGHTS_MISMATCH "weights-mismatch" Error "weights are those of another network";
    WEIGHTS_UNREADABLE "weights-unreadable" Error "a file has no weights that can be read, or not this network";
    PROBE_NOT_CONVERGED "probe-not-converged" Warning "a linear probe stopped before its optimum";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::all;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let names: BTreeSet<&str> = all().map(|finding| finding.name).collect();
        assert_eq!(names.len(), all().count());
        for finding in all() {
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(finding.name.chars().all(kebab), "{}", finding.name);
            assert!(!finding.summary.ends_with('.'), "{}", finding.summary);
        }
    }
}
