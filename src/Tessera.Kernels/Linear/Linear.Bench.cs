using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    private static readonly (int Outputs, int Inputs, DType Type, int Tokens)[] BenchShapes =
    [
        (8192, 8192, DType.F32, 1), (8192, 8192, DType.BF16, 1), (1024, 256, DType.F32, 1), (1024, 256, DType.BF16, 1),
        (8192, 8192, DType.BF16, 4),
    ];

    /// <summary>One token through a weight larger than the caches and through one inside them; four tokens at once.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        foreach (var (outputs, inputs, type, tokens) in BenchShapes)
        {
            yield return BenchCaseOf(device, outputs, inputs, type, tokens);
        }
    }

    private static BenchCase BenchCaseOf(Device device, int outputs, int inputs, DType type, int tokens)
    {
        float[] weight = Gemm.BenchInputs((long)outputs * inputs * type.Bytes() / sizeof(float), type);
        float[] vectors = Gemm.BenchInputs((long)tokens * (inputs + outputs), DType.F32);
        double bytes = (double)outputs * inputs * type.Bytes();
        return new BenchCase("linear", $"{outputs}x{inputs} T{tokens}", type.Label(), BenchCeiling.StreamRead, bytes, Run);

        void Run()
        {
            var view = new MatrixView(Marshal.UnsafeAddrOfPinnedArrayElement(weight, 0), type, outputs, inputs);
            float* x = (float*)Marshal.UnsafeAddrOfPinnedArrayElement(vectors, 0);
            Forward(device, x, inputs, view, x + ((long)tokens * inputs), outputs, tokens, accumulate: false);
        }
    }
}
