//! The names under which torchvision publishes its transformers and ConvNeXts, as those of timm,
//! which the networks here have.

/// What torchvision's names tell of the network, by one that it surely has.
const SIGNS: [(&str, Rename); 2] =
    [("encoder.layers.encoder_layer_0.ln_1.weight", vit), ("features.1.0.layer_scale", convnext)];

/// timm's name for one of torchvision's, where it has one.
type Rename = fn(&str) -> Option<String>;

/// For each of the names of a file timm's, where it is another one.
pub fn timms<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<(String, String)> {
    // What stands before the names of a network, and whose they are.
    let networks: Vec<(&str, Rename)> = names
        .clone()
        .flat_map(|name| SIGNS.map(|(sign, rename)| Some((name.strip_suffix(sign)?, rename))))
        .flatten()
        .filter(|(before, _)| before.is_empty() || before.ends_with('.'))
        .collect();
    let renamed = names.filter_map(|name| {
        networks.iter().find_map(|(before, rename)| {
            let own = rename(name.strip_prefix(before)?)?;
            Some((name.to_owned(), format!("{before}{own}")))
        })
    });
    renamed.collect()
}

/// `torchvision.models.VisionTransformer`.
fn vit(name: &str) -> Option<String> {
    const WHOLE: [(&str, &str); 4] = [
        ("class_token", "cls_token"),
        ("encoder.pos_embedding", "pos_embed"),
        ("conv_proj.", "patch_embed.proj."),
        ("encoder.ln.", "norm."),
    ];
    /// Older files have the last ones.
    const OF_BLOCK: [(&str, &str); 7] = [
        ("ln_1.", "norm1."),
        ("self_attention.in_proj_", "attn.qkv."),
        ("self_attention.out_proj.", "attn.proj."),
        ("ln_2.", "norm2."),
        ("mlp.0.", "mlp.fc1."),
        ("mlp.3.", "mlp.fc2."),
        ("mlp.linear_", "mlp.fc"),
    ];
    match name.strip_prefix("encoder.layers.encoder_layer_") {
        None => replaced(name, &WHOLE),
        Some(rest) => {
            let (block, rest) = rest.split_once('.')?;
            Some(format!("blocks.{block}.{}", replaced(rest, &OF_BLOCK)?))
        }
    }
}

/// `torchvision.models.ConvNeXt`.
fn convnext(name: &str) -> Option<String> {
    const OF_BLOCK: [(&str, &str); 5] = [
        ("block.0.", "conv_dw."),
        ("block.2.", "norm."),
        ("block.3.", "mlp.fc1."),
        ("block.5.", "mlp.fc2."),
        ("layer_scale", "gamma"),
    ];
    let Some(rest) = name.strip_prefix("features.") else {
        return replaced(name, &[("classifier.0.", "head.norm.")]);
    };
    let (place, rest) = rest.split_once('.')?;
    match place.parse::<usize>().ok()? {
        0 => Some(format!("stem.{rest}")),
        place if place % 2 == 0 => Some(format!("stages.{}.downsample.{rest}", place / 2)),
        place => {
            let (block, rest) = rest.split_once('.')?;
            let own = replaced(rest, &OF_BLOCK)?;
            Some(format!("stages.{}.blocks.{block}.{own}", place / 2))
        }
    }
}

/// With another beginning, that of the first which it begins with.
fn replaced(name: &str, beginnings: &[(&str, &str)]) -> Option<String> {
    let own = |(from, to): &(&str, &str)| Some(format!("{to}{}", name.strip_prefix(from)?));
    beginnings.iter().find_map(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_other_project() {
        let cases = [
            ("net.class_token", Some("net.cls_token")),
            ("net.conv_proj.bias", Some("net.patch_embed.proj.bias")),
            ("net.encoder.layers.encoder_layer_0.ln_1.weight", Some("net.blocks.0.norm1.weight")),
            (
                "net.encoder.layers.encoder_layer_11.self_attention.in_proj_bias",
                Some("net.blocks.11.attn.qkv.bias"),
            ),
            (
                "net.encoder.layers.encoder_layer_2.mlp.linear_2.weight",
                Some("net.blocks.2.mlp.fc2.weight"),
            ),
            ("net.encoder.ln.bias", Some("net.norm.bias")),
            ("net.heads.head.weight", None),
            ("other.class_token", None),
            ("features.1.0.layer_scale", Some("stages.0.blocks.0.gamma")),
            ("features.0.1.weight", Some("stem.1.weight")),
            ("features.4.1.bias", Some("stages.2.downsample.1.bias")),
            ("features.7.2.block.5.weight", Some("stages.3.blocks.2.mlp.fc2.weight")),
            ("classifier.0.weight", Some("head.norm.weight")),
            ("classifier.2.weight", None),
        ];
        let found = timms(cases.iter().map(|(name, _)| *name));
        for (name, expected) in cases {
            let own = found.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
            assert_eq!(own, expected, "{name}");
        }
        // As other networks have names, too.
        assert_eq!(timms(["features.0.weight", "classifier.0.weight"].into_iter()), []);
    }
}
