namespace Tessera.Kernels.Measurement;

/// <summary>What NVIDIA publishes as the speed of dense bf16 products with f32 sums; the denominator of model FLOP utilisation.</summary>
/// <remarks>
/// Source: NVIDIA's data sheets of H100 (SXM, NVL, PCIe), H200 and A100, without sparsity. Power and clocks keep real products
/// below: see the ceiling that is measured beside.
/// </remarks>
public static class PublishedPeaks
{
    // The first that fits: a name without a form factor is the SXM module's.
    private static readonly (string Part, double Flops)[] Cards =
        [("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12), ("H200", 989e12), ("A100", 312e12)];

    /// <summary>FLOP per second of a card by the name that its driver gives it; null where it is not in the table.</summary>
    public static double? Bf16Flops(string card)
    {
        foreach (var (part, flops) in Cards)
        {
            if (card.Contains(part, StringComparison.Ordinal))
            {
                return flops;
            }
        }

        return null;
    }
}
