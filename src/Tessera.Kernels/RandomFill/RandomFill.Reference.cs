using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class RandomFill
{
    /// <summary>The formula of <see cref="Gaussian"/>: one number after the other from the stream's beginning.</summary>
    public static void ReferenceGaussian(Span<float> target, ulong seed, ulong stream, long first, float deviation)
    {
        var random = new CounterRandom(seed, stream);
        for (long i = 0; i < first; i++)
        {
            _ = random.NextGaussian();
        }

        for (int i = 0; i < target.Length; i++)
        {
            target[i] = random.NextGaussian() * deviation;
        }
    }
}
