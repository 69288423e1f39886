using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>What a processor can do at best, measured with all workers of a device at once.</summary>
/// <param name="FusedMultiplyAddFlops">f32 FLOP per second of multiply-adds on registers, with the widest vectors that are there.</param>
/// <param name="StreamReadBytes">Bytes per second of reading 256 MiB, by the fastest of a few loops.</param>
/// <param name="StreamCopyBytes">Bytes read plus written per second of copying 128 MiB, by the fastest of a few loops.</param>
public sealed record Ceilings(double FusedMultiplyAddFlops, double StreamReadBytes, double StreamCopyBytes)
{
    /// <summary>Measures all three, the best of a few rounds each; takes about a second.</summary>
    public static Ceilings Measure(CpuDevice device)
    {
        using var probe = new CeilingProbe(device);
        double flops = 0, read = 0, copy = 0;
        for (int round = 0; round < 5; round++)
        {
            flops = Math.Max(flops, probe.Rate(BenchCeiling.FusedMultiplyAdd));
            read = Math.Max(read, probe.Rate(BenchCeiling.StreamRead));
            copy = Math.Max(copy, probe.Rate(BenchCeiling.StreamCopy));
        }

        return new Ceilings(flops, read, copy);
    }
}
