namespace Tessera.Models.Configuration;

/// <summary>
/// Rotary settings in both spellings: <c>rope_theta</c> with <c>rope_scaling</c>, and <c>rope_parameters</c>. A
/// <c>rope_scaling</c> object wins over <c>rope_parameters</c>; theta inside the object wins over the one beside it;
/// the original context beside the object wins over the one inside, and is the model's own context where both lack.
/// </summary>
internal static class RopeReader
{
    private const double DefaultTheta = 10_000;
    private const string OriginalKey = "original_max_position_embeddings";

    public static (double Theta, RopeScalingConfiguration? Scaling) Read(JsonFields root, int maxPositions)
    {
        double theta = root.Positive("rope_theta", DefaultTheta);
        RequireWholeHead(root);
        if ((root.Object("rope_scaling") ?? root.Object("rope_parameters")) is not { } rope)
        {
            return (theta, null);
        }

        RequireWholeHead(rope);
        foreach (string name in rope.Names())
        {
            rope.RefuseObject(name, "one rope for all layers, without nested objects");
        }

        theta = rope.Positive("rope_theta", theta);
        string key = rope.Has("rope_type") ? "rope_type" : "type";
        return rope.Text(key) switch
        {
            null or "default" => (theta, null),
            "llama3" => (theta, ReadScaling(root, rope, maxPositions)),
            _ => throw rope.Fault(key, "\"default\" or \"llama3\", the kinds that are supported"),
        };
    }

    private static RopeScalingConfiguration ReadScaling(JsonFields root, JsonFields rope, int maxPositions)
    {
        const int Longest = ConfigurationLimits.Positions;
        int original = root.Has(OriginalKey) ? root.RequiredInteger(OriginalKey, 1, Longest)
            : rope.Has(OriginalKey) ? rope.RequiredInteger(OriginalKey, 1, Longest)
            : maxPositions;
        return new RopeScalingConfiguration(
            rope.RequiredPositive("factor"),
            rope.RequiredPositive("low_freq_factor"),
            rope.RequiredPositive("high_freq_factor"),
            original);
    }

    private static void RequireWholeHead(JsonFields fields)
    {
        if (fields.Has("partial_rotary_factor") && fields.RequiredPositive("partial_rotary_factor") != 1)
        {
            throw fields.Fault("partial_rotary_factor", "1");
        }
    }
}
