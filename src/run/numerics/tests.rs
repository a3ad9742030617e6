use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use burn::tensor::Device;

use super::PARTS;
use crate::augment::Augmentation;
use crate::check::StageKind;
use crate::data::loader::Loader;
use crate::data::{self, Dataset, Lookup, stratified};
use crate::device::Processes;
use crate::device::testing::{backends, device};
use crate::device::{Adam, After, Array, Averages, Selected, by_rank};
use crate::evaluate::{Accuracy, Features, Probe, Problem, knn, linear_probe};
use crate::graph::{Graph, Stage};
use crate::interrupt::Interrupt;
use crate::nn;
use crate::objective::golden;
use crate::random::Key;
use crate::run::folder::RunFolder;
use crate::run::{Contents, Locations, Run};
use crate::schedule::{self, Progress};
use crate::store::Store;
use crate::store::events::Events;
use crate::term::{Args, Call, Part, Term};
use crate::watch::testing::unwatched;
use crate::{Request, compile};

/// What each part gives at a version, on each kind of machine. Where one is missing, the test says
/// what it has found there.
const DIGESTS: [(&str, u32, &str, &str); 16] = [
    ("images", 1, ANY, "6a60d3c6d514470b8eb38e918f7c7cbed3075c08ce292104d15e0d96dd41300c"),
    ("views", 2, ANY, "19bc942d1f453f274e986e7345b7ca5029419e5a07840b8031760faff58eae24"),
    ("initialization", 1, ANY, "a943d98ec9efdf5420f4d3f3df3e7dddd25ed4f908d47b9e8b3c18f06b9e615e"),
    ("schedules", 1, ANY, "a26e1f28f44197224c25dbac552beaca1a06df2b65020d17e2c08493a62909f9"),
    ("steps", 10, ANY, "074b5dbe207593bfb88c963e42894d8d7eda96501f9fccd45e67d36764796347"),
    (
        "steps",
        10,
        "flex, avx512",
        "f826f888409e68dc9a904a299dacd925613679cc4cad0179b0b7c86980effa2b",
    ),
    (
        "steps",
        10,
        "kernels, fma",
        "5642cf15b8444c731e538b3771081aad72db90e1ff63badb439c18620d48b435",
    ),
    ("steps", 10, "rows, fma", "6b43bf5259517432ef254d8ce4f1858f461111700776ffe5ee23d075b51e03a8"),
    (
        "steps",
        10,
        "tokens, fma",
        "529a77679bef16f919c3b86f6e8d3833c7335d850fdf96f2a2a5fa55bf68c6a4",
    ),
    (
        "steps",
        10,
        "libtorch-cpu, avx512 of GenuineIntel",
        "d3d1952ecd033f7fbeee6b95ac3205fa4bc526f17f84e0902148993cf98f736a",
    ),
    (
        "operations",
        2,
        "flex, avx512",
        "66a283428731f14d2185161e8cc202ff57cf0ba49266c4904c7e2fd94e6aea29",
    ),
    (
        "operations",
        2,
        "libtorch-cpu, avx512 of GenuineIntel",
        "6293e7b12e08b519a981e759910e497f91b3354d7775b502a2de72422e587ad3",
    ),
    (
        "protocols",
        2,
        "flex, avx2",
        "de97cd7d95334281e45a35cb942debffdfaf5016de83514aba701dfffdc55f92",
    ),
    (
        "protocols",
        2,
        "libtorch-cpu alone, avx2 of AuthenticAMD",
        "f6777216a7d3cc5c57cbc2f3d241f20772699a8b041c2a2dc797a2e42e0c9c25",
    ),
    (
        "protocols",
        2,
        "flex, avx512",
        "8c9fd1d4a53b632ce6939403ba777b289183ccf503293d489600932f045b9760",
    ),
    (
        "protocols",
        2,
        "libtorch-cpu alone, avx512 of AuthenticAMD",
        "f6777216a7d3cc5c57cbc2f3d241f20772699a8b041c2a2dc797a2e42e0c9c25",
    ),
];

/// Those whose bits are held: one that is new has none to hold.
const OPERATIONS: [&str; 30] = [
    "batch_info_nce",
    "coding_rate",
    "cosine_distance",
    "cross_covariance",
    "cross_entropy",
    "dcl",
    "dclw",
    "epps_pulley",
    "hard_triplet",
    "info_nce",
    "iter_norm",
    "kl_gaussian",
    "log_det",
    "log_softmax",
    "log_sum_exp",
    "matmul",
    "max",
    "narrowness",
    "negative_cosine",
    "normalize",
    "nt_xent",
    "nuclear_norm",
    "pick",
    "redundancy",
    "sigmoid",
    "sinkhorn",
    "softplus",
    "standardize",
    "sup_con",
    "whiten",
];

/// Computed by this crate alone, operation by operation.
const ANY: &str = "any";

/// Every kind of step, of schedule and of view once.
const TEXT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/numerics.cpipe"));

fn tiny() -> Graph {
    let files = BTreeMap::from([(PathBuf::from("tiny.cpipe"), TEXT.as_bytes().to_vec())]);
    let request = Request { file: "tiny.cpipe", required: true, ..Request::default() };
    let compilation = compile(&request, &files);
    let diagnostics = compilation.diagnostics;
    compilation.compiled.unwrap_or_else(|| panic!("{diagnostics:?}")).graph
}

fn floats(hasher: &mut blake3::Hasher, values: &[f32]) {
    for value in values {
        hasher.update(&value.to_bits().to_le_bytes());
    }
}

fn indices(hasher: &mut blake3::Hasher, values: &[u32]) {
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
}

fn dataset(call: &Call) -> Dataset {
    let source = Lookup {
        data_dir: None,
        environment: None,
        cache: PathBuf::new(),
        offline: true,
        mirror: None,
        watch: unwatched(),
    };
    data::load(call, &source).expect("drawn when it is needed")
}

/// The loader of a stage that trains, over all of its dataset.
fn loader(stage: &Stage) -> Loader {
    let Some(Term::Split(split)) = stage.fields.get("data") else { panic!("no data") };
    let dataset = dataset(&split.dataset);
    let examples = stratified(&dataset.train.labels, split.share(), Key::root(3));
    Loader {
        images: Arc::clone(&dataset.train),
        examples: Arc::new(examples),
        views: Augmentation::of_views(&stage.fields["views"], 2),
        normalization: dataset.normalization,
        batch: 4,
        processes: Processes::ONE,
        key: Key::root(7),
        threads: 1,
    }
}

/// By name: the order of a graph is that of its hashes.
fn trainings(graph: &Graph) -> Vec<&Stage> {
    let trainings = graph.ordered().filter(|stage| stage.kind != StageKind::Evaluate);
    let mut trainings: Vec<&Stage> = trainings.collect();
    trainings.sort_by_key(|stage| &stage.name);
    trainings
}

fn images() -> String {
    let mut hasher = blake3::Hasher::new();
    for stage in trainings(&tiny()) {
        let loader = loader(stage);
        for image in loader.images.all() {
            hasher.update(image);
        }
        indices(&mut hasher, &loader.examples);
        indices(&mut hasher, &loader.order(2));
    }
    hasher.finalize().to_string()
}

fn views() -> String {
    let mut hasher = blake3::Hasher::new();
    for stage in trainings(&tiny()) {
        for batch in loader(stage).epoch(1, 0) {
            batch.views.iter().for_each(|view| floats(&mut hasher, view));
        }
    }
    hasher.finalize().to_string()
}

fn initialization() -> String {
    let number = |value| Term::Int(value);
    let symbol = |value: &str| Term::Symbol(value.into());
    let resnet = || vec![("stem", symbol("small")), ("width", number(2))];
    let mlp = vec![
        ("hidden", number(8)),
        ("out", number(4)),
        ("layers", number(3)),
        ("norm", symbol("batch")),
        ("output_norm", symbol("batch")),
        ("activation", symbol("relu")),
        ("bias", Term::Bool(true)),
    ];
    let modules = [
        ("convnet", vec![("width", number(2))], None),
        ("resnet18", resnet(), None),
        ("resnet50", resnet(), None),
        ("mlp", mlp, Some(16)),
    ];
    let mut hasher = blake3::Hasher::new();
    let device = device();
    for (name, args, input) in modules {
        let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let term = Term::Call(Call { name: name.into(), args: Args(args) });
        for param in nn::build(&term, input).init(Key::root(5), &device).iter() {
            hasher.update(param.name.as_bytes());
            floats(&mut hasher, &param.value.to_vec());
        }
    }
    hasher.finalize().to_string()
}

fn schedules() -> String {
    let mut hasher = blake3::Hasher::new();
    for stage in trainings(&tiny()) {
        for step in 0..20 {
            let progress = Progress { step, steps: 20, steps_per_epoch: 6 };
            let value = schedule::value(&stage.fields["schedule"], progress);
            hasher.update(&value.to_bits().to_le_bytes());
        }
    }
    hasher.finalize().to_string()
}

/// What the trainings leave, and how they went.
fn steps(device: Selected) -> String {
    let place = tempfile::tempdir().expect("a folder");
    let graph = tiny();
    let run = Run {
        graph: &graph,
        values: &[],
        seed: 1,
        device,
        store: Store::open(place.path().join("store")).expect("a folder"),
        locations: Locations {
            data_dir: None,
            environment: None,
            cache: place.path().to_owned(),
            offline: true,
            mirror: None,
        },
        contents: Contents::default(),
        events: Events::default(),
        interrupt: Interrupt::default(),
        wait: true,
    };
    let folder = RunFolder::create(place.path(), "tiny", SystemTime::UNIX_EPOCH).expect("a folder");
    let prepared = run.prepare(place.path()).expect("nothing is missing");
    run.execute(prepared, &folder).expect("it runs");
    let mut hasher = blake3::Hasher::new();
    let files = [
        "queued.encoder.safetensors",
        "queued.metrics.jsonl",
        "paired.encoder.safetensors",
        "paired.metrics.jsonl",
        "tuned.model.safetensors",
        "tuned.metrics.jsonl",
    ];
    for file in files {
        hasher.update(&std::fs::read(Path::join(folder.path(), file)).expect("an output"));
    }
    hasher.finalize().to_string()
}

fn protocols(device: &Device) -> String {
    let mut rng = Key::root(3).stream();
    let mut features = |part| Features {
        values: (0..60 * 8).map(|_| rng.normal()).collect(),
        dim: 8,
        labels: (0..60).map(|example| example % 3).collect(),
        part,
    };
    let (fit, on) = (features(Part::Train), features(Part::Test));
    let problem = Problem { fit: Some(&fit), on: &on, classes: 3, device, watch: unwatched() };
    let neighbours = knn(&problem, 7, 0.1).expect("as many examples");
    let probe =
        linear_probe(&problem, Probe { l2: 1e-3, iterations: 100, held_out: None }).expect("a fit");
    // What is confused with what follows from the same predictions as the counts do.
    let counts = [neighbours, probe].map(|own| Accuracy { confused: Vec::new(), ..own });
    let text = serde_json::to_string(&counts).expect("plain data");
    blake3::hash(text.as_bytes()).to_string()
}

/// Processors add up vectors of different lengths in different orders; the libraries that libtorch
/// calls choose by the maker as well.
fn machine(backend: &str) -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let vectors = match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2"))
        {
            (true, _) => "avx512",
            (_, true) => "avx2",
            _ => "sse",
        };
        if backend == "flex" {
            return format!("{backend}, {vectors}");
        }
        let maker = std::arch::x86_64::__cpuid(0);
        let maker = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes).concat();
        format!("{backend}, {vectors} of {}", String::from_utf8_lossy(&maker))
    }
    #[cfg(not(target_arch = "x86_64"))]
    format!("{backend}, {}", std::env::consts::ARCH)
}

/// Numbers up to so many, below and above zero.
fn noise(on: &Selected, most: f32, name: &str, shape: &[usize]) -> Array {
    let mut stream = Key::root(0).named(name).stream();
    let values = (0..shape.iter().product()).map(|_| stream.uniform_in(-most, most)).collect();
    Array::from_vec(values, shape, &on.device).leaf()
}

/// The digest of an output, and of the gradients of a weighted sum of it by what it is made of.
fn differentiated(along: Array, output: Array, given: &[Array]) -> String {
    let mut hasher = blake3::Hasher::new();
    floats(&mut hasher, &output.to_vec());
    let mut gradients = by_rank!(output.rank(), D => {
        let along = along.constant().tensor::<D>().autodiff();
        (output.into_tensor::<D>() * along).sum().backward()
    });
    for own in given {
        let gradient = own.take_gradient(&mut gradients).expect("it is tracked");
        floats(&mut hasher, &gradient.to_vec());
    }
    hasher.finalize().to_string()
}

/// A convolution wide enough for tiles and the batch norm behind it, with their gradients: the kernels
/// of this crate, whose bits are those of every processor that multiplies and adds at once.
fn kernels(on: &Selected) -> String {
    let noise = |name: &str, shape: &[usize]| noise(on, 1.0, name, shape);
    let given =
        [noise("x", &[3, 32, 6, 5]), noise("weight", &[48, 32, 3, 3]), noise("scale", &[48])];
    let [x, weight, scale] = given.clone();
    let shift = noise("shift", &[48]);
    let maps = on.kernels.conv2d(x, weight, 1, 1);
    let after = After { relu: true, ..After::default() };
    let output = on.kernels.batch_norm(maps, [scale, shift], (1, 1e-5), after).output;
    differentiated(noise("along", &output.shape()), output, &given)
}

/// A linear layer of as many rows as tokens are, with its gradients.
fn rows(on: &Selected) -> String {
    let noise = |name: &str, shape: &[usize]| noise(on, 3.0, name, shape);
    let given = [noise("x", &[2500, 70]), noise("weight", &[90, 70])];
    let [x, weight] = given.clone();
    let output = on.kernels.linear(x, weight, Some(noise("bias", &[90])));
    differentiated(noise("along", &output.shape()), output, &given)
}

/// What transformers are made of, with its gradients.
fn tokens(on: &Selected) -> String {
    let noise = |name: &str, shape: &[usize]| noise(on, 3.0, name, shape);
    let given = [noise("x", &[5, 19, 120]), noise("scale", &[120]), noise("shift", &[120])];
    let [x, scale, shift] = given.clone();
    let qkv = on.kernels.gelu(on.kernels.layer_norm(x, [scale, shift], 1e-6));
    let output = on.kernels.attention(qkv, 2, true);
    differentiated(noise("along", &output.shape()), output, &given)
}

/// What optimizers are made of, each number by itself, and norms, whose sums have an order.
fn moved(on: &Selected) -> String {
    let all = |name: &str| -> Vec<Array> {
        [&[50, 700][..], &[70]].map(|shape| noise(on, 1.0, name, shape).constant()).into()
    };
    let (mut values, mut kept) = (all("value"), vec![Vec::new(); 2]);
    for number in 1..4 {
        let averages = Averages { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
        let how = Adam { averages, lr: 0.1, weight_decay: 0.02, decoupled: number != 2, number };
        on.kernels.adam_many(&mut values, all("gradient"), &mut kept, how);
    }
    let norms = on.kernels.norms(&values);
    on.kernels.add_many(&mut values, &all("other"), 0.3);
    on.kernels.scale_many(&mut values, &norms);
    let mut hasher = blake3::Hasher::new();
    for own in values.iter().chain(kept.iter().flatten()) {
        floats(&mut hasher, &own.to_vec());
    }
    hasher.finalize().to_string()
}

#[test]
fn numerics_change_with_their_versions_only() {
    let mut found = vec![
        ("images", ANY.to_owned(), images()),
        ("views", ANY.to_owned(), views()),
        ("initialization", ANY.to_owned(), initialization()),
        ("schedules", ANY.to_owned(), schedules()),
    ];
    for backend in backends() {
        let mut hasher = blake3::Hasher::new();
        floats(&mut hasher, &golden::numbers(&OPERATIONS, &backend.device));
        let operations = hasher.finalize().to_string();
        found.push(("operations", machine(&backend.kind), operations));
        let by = match backend.lacks_embedded() {
            true => machine(&format!("{} alone", backend.kind)),
            false => machine("flex"),
        };
        found.push(("protocols", by, protocols(&backend.for_protocols())));
        found.push(("steps", ANY.to_owned(), moved(&backend)));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(("steps", "kernels, fma".to_owned(), kernels(&backend)));
            found.push(("steps", "tokens, fma".to_owned(), tokens(&backend)));
            if backend.kind == "flex" {
                found.push(("steps", "rows, fma".to_owned(), rows(&backend)));
            }
        }
        found.push(("steps", machine(&backend.kind), steps(backend)));
    }
    let mut changed = Vec::new();
    for (part, machine, digest) in found {
        let known =
            DIGESTS.iter().find(|(name, _, on, _)| *name == part && *on == machine.as_str());
        let version = PARTS.iter().find(|(name, _)| *name == part).map(|(_, version)| *version);
        match known {
            None => eprintln!("skipped: no digest of {part} on {machine}; it is {digest}"),
            Some((_, at, _, expected)) if Some(*at) == version && *expected == digest => {}
            Some((_, at, ..)) => {
                changed.push(format!("{part} on {machine}: {digest}, noted for version {at}"));
            }
        }
    }
    assert!(
        changed.is_empty(),
        "numerics have changed: raise the version of each part, and note the digest for it\n{}",
        changed.join("\n")
    );
}
