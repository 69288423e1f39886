using Tessera.Kernels;

namespace Tessera.Models.Configuration;

/// <summary>
/// Rotary settings in both spellings: <c>rope_theta</c> with <c>rope_scaling</c>, and <c>rope_parameters</c>. A
/// <c>rope_scaling</c> object wins over <c>rope_parameters</c>; theta inside the object wins over the one beside it;
/// the original context beside the object wins over the one inside, and is the model's own context where both lack.
/// An object that nests one object for each kind of layer is read where these say the same.
/// </summary>
internal static class RopeReader
{
    private const double DefaultTheta = 10_000;
    private const string OriginalKey = "original_max_position_embeddings";
    private static readonly string[] LayerKinds = ["full_attention", "sliding_attention"];

    public static (double Theta, RopeScaling? Scaling) Read(JsonFields root, int maxPositions)
    {
        double theta = root.Positive("rope_theta", DefaultTheta);
        RequireWholeHead(root);
        if (root.Has("position_embedding_type") && root.Text("position_embedding_type") != "rope")
        {
            throw root.Fault("position_embedding_type", "\"rope\", the only kind that is supported");
        }

        string key = root.Has("rope_scaling") ? "rope_scaling" : "rope_parameters";
        if (root.Object(key) is not { } rope)
        {
            return (theta, null);
        }

        List<string> nested = [.. rope.Names().Where(rope.IsObject)];
        if (nested.Count == 0)
        {
            return ReadOne(root, rope, theta, maxPositions);
        }

        foreach (string name in nested)
        {
            if (!LayerKinds.Contains(name))
            {
                throw rope.Fault(name, "no object but those of \"full_attention\" and \"sliding_attention\" layers");
            }
        }

        var each = nested.Select(name => ReadOne(root, rope.Object(name)!.Value, theta, maxPositions)).Distinct().ToList();
        return each.Count == 1 ? each[0] : throw root.Fault(key, "the same rotation in all kinds of layers");
    }

    private static (double Theta, RopeScaling? Scaling) ReadOne(JsonFields root, JsonFields rope, double theta, int maxPositions)
    {
        RequireWholeHead(rope);
        foreach (string name in rope.Names())
        {
            rope.RefuseObject(name, "no nested object");
        }

        theta = rope.Positive("rope_theta", theta);
        string key = rope.Has("rope_type") ? "rope_type" : "type";
        return rope.Text(key) switch
        {
            null or "default" => (theta, null),
            "linear" => (theta, new LinearRopeScaling(rope.RequiredPositive("factor"))),
            "dynamic" => (theta, new DynamicRopeScaling(rope.RequiredPositive("factor"), maxPositions)),
            "llama3" => (theta, ReadLlama3(rope, ReadOriginal(root, rope, maxPositions))),
            "yarn" => (theta, ReadYarn(rope, ReadOriginal(root, rope, maxPositions))),
            _ => throw rope.Fault(
                key, "\"default\", \"linear\", \"dynamic\", \"llama3\" or \"yarn\", the kinds that are supported"),
        };
    }

    private static Llama3RopeScaling ReadLlama3(JsonFields rope, int original) => new(
        rope.RequiredPositive("factor"), rope.RequiredPositive("low_freq_factor"), rope.RequiredPositive("high_freq_factor"), original);

    private static YarnRopeScaling ReadYarn(JsonFields rope, int original)
    {
        foreach (string key in (string[])["mscale", "mscale_all_dim"])
        {
            if (rope.Has(key))
            {
                throw rope.Fault(key, "none, since this variant of yarn is not supported");
            }
        }

        return new YarnRopeScaling(rope.RequiredPositive("factor"), original)
        {
            BetaFast = rope.Has("beta_fast") ? rope.RequiredPositive("beta_fast") : 32,
            BetaSlow = rope.Has("beta_slow") ? rope.RequiredPositive("beta_slow") : 1,
            Truncates = !rope.Has("truncate") || rope.Flag("truncate"),
            GivenAmplitude = rope.Has("attention_factor") ? rope.RequiredPositive("attention_factor") : null,
        };
    }

    private static int ReadOriginal(JsonFields root, JsonFields rope, int maxPositions)
    {
        const int Longest = ConfigurationLimits.Positions;
        return root.Has(OriginalKey) ? root.RequiredInteger(OriginalKey, 1, Longest)
            : rope.Has(OriginalKey) ? rope.RequiredInteger(OriginalKey, 1, Longest)
            : maxPositions;
    }

    private static void RequireWholeHead(JsonFields fields)
    {
        if (fields.Has("partial_rotary_factor") && fields.RequiredPositive("partial_rotary_factor") != 1)
        {
            throw fields.Fault("partial_rotary_factor", "1");
        }
    }
}
