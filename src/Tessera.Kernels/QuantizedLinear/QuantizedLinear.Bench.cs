using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    private static readonly DType[] Types = [DType.Int8, DType.Int4];

    private static readonly (int Tokens, int Outputs, int Inputs)[] GemmShapes =
        [(512, 4096, 4096), (256, 4096, 14336), (256, 14336, 4096), (64, 2048, 2048), (512, 768, 768)];

    private static readonly (int Tokens, int Outputs, int Inputs)[] GemvShapes =
        [(1, 8192, 8192), (1, 14336, 4096), (4, 8192, 8192), (1, 1024, 256)];

    private static readonly (int Tokens, int Outputs, int Inputs)[] LargeGemmShapes = [.. GemmShapes[..4], (1024, 28_672, 4096)];

    // Projections of Llama-3.1-8B besides.
    private static readonly (int Tokens, int Outputs, int Inputs)[] LargeGemvShapes =
        [.. GemvShapes[..3], (1, 6144, 4096), (1, 4096, 4096), (1, 28_672, 4096), (1, 4096, 14_336), (16, 28_672, 4096), (64, 28_672, 4096)];

    /// <summary>Many tokens, as tokens x outputs x inputs, held against integer dot products from registers.</summary>
    public static IEnumerable<BenchCase> GemmBenchCases(BenchTarget target) =>
        from shape in target.Pick([(32, 64, 96)], GemmShapes, LargeGemmShapes)
        from type in Types
        select Case(target, "gemm", shape, type);

    /// <summary>Few tokens, as outputs x inputs and the number of tokens, held against reading as many bytes as the weight has.</summary>
    public static IEnumerable<BenchCase> GemvBenchCases(BenchTarget target) =>
        from shape in target.Pick([(1, 64, 96)], GemvShapes, LargeGemvShapes)
        from type in Types
        select Case(target, "gemv", shape, type);

    private static BenchCase Case(BenchTarget target, string name, (int Tokens, int Outputs, int Inputs) shape, DType type)
    {
        var (tokens, outputs, inputs) = shape;
        return name == "gemm"
            ? new BenchCase(
                name, $"{tokens}x{outputs}x{inputs}", type.Label(), BenchCeiling.Int8DotProduct, 2.0 * tokens * outputs * inputs,
                arena => Prepare(target, arena, shape, type))
            : new BenchCase(
                name, $"{outputs}x{inputs}{(tokens == 1 ? "" : $" {tokens} tokens")}", type.Label(), BenchCeiling.StreamRead,
                type.MatrixBytes(outputs, inputs), arena => Prepare(target, arena, shape, type));
    }

    private static Action Prepare(BenchTarget target, Arena arena, (int Tokens, int Outputs, int Inputs) shape, DType type)
    {
        var (tokens, outputs, inputs) = shape;
        byte[] tile = BenchTile(type, inputs);
        nint address = BenchInputs.Repeated<byte>(arena, tile, type.MatrixBytes(outputs, inputs));
        var weight = new MatrixView(address, type, outputs, inputs);
        Elements x = BenchInputs.Filled(arena, (long)tokens * inputs, target.Type, 2);
        Elements y = BenchInputs.Filled(arena, (long)tokens * outputs, target.Type, 3);
        return () => Forward(target.Device, x, inputs, weight, y, outputs, tokens, accumulate: false);
    }

    /// <summary>Rows that are stored together, all alike; the processor rounds them.</summary>
    private static byte[] BenchTile(DType type, int inputs)
    {
        using var processor = new CpuDevice(1);
        using var arena = new Arena("rounded rows");
        byte[] bytes = new byte[type.MatrixBytes(DTypes.TileRows, inputs)];
        float* row = BenchInputs.Floats(arena, inputs, 1);
        fixed (byte* memory = bytes)
        {
            // A stride of 0: the same row again.
            GroupedMatrix.Store(processor, new MatrixView((nint)memory, type, DTypes.TileRows, inputs), 0, DTypes.TileRows, row, 0);
        }

        return bytes;
    }
}
