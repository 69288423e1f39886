using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>The kernel of few tokens, and the ways of more: the library with scales, without them, or in bf16.</content>
public static unsafe partial class Fp8Linear
{
    // As in Fp8Linear.cu.
    private const int CudaThreads = 256;
    private const int CudaOutputs = 16;
    private const int CudaTileTokens = 8;
    private const int CudaTokenPack = 16;

    private const int ScaleThreads = 256;

    // What sums and a widened weight may take each where a product goes through them, unless 16 outputs take more.
    private const long PieceBytes = 64L << 20;

    // The library's widest loads and stores.
    private const int Alignment = 16;

    private static readonly CudaKernel<CudaFewArguments> CudaFew =
        new("Fp8Linear.cu", "fp8_few", "X_TYPE", "Y_TYPE", "TOKEN_TILES", "ALIGNED") { StartsEarly = true, ReadsThroughCache = true };

    private static readonly CudaKernel<CudaScaleArguments> CudaScale = new("Fp8Linear.Scale.cu", "fp8_scale", "Y_TYPE");

    private static void Few(
        CudaDevice cuda, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate)
    {
        bool isAligned = input.Type == DType.BF16 && weight.Columns % CudaTokenPack == 0 && input.Address % Alignment == 0
            && (tokens == 1 || inputStride * input.Type.Bytes() % Alignment == 0);
        int tiles = tokens <= CudaTileTokens ? 1 : 2;
        CudaFew.Launch(
            cuda, new KernelVariant((int)input.Type, (int)output.Type, tiles, isAligned ? 1 : 0),
            (RowLaunch.Blocks(weight.Rows, CudaOutputs), RowLaunch.Blocks(tokens, tiles * CudaTileTokens)), CudaThreads, 0,
            new CudaFewArguments
            {
                X = input.Address,
                W = weight.Address,
                Scales = weight.Scales,
                Y = output.Address,
                XStride = inputStride,
                Pitch = weight.Stride,
                YStride = outputStride,
                Tokens = tokens,
                Outputs = weight.Rows,
                Inputs = weight.Columns,
                Accumulate = accumulate ? 1 : 0,
            });
    }

    private static void Many(
        CudaDevice cuda, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate)
    {
        var mark = cuda.Scratch.Mark();
        var rounded = new MatrixView(
            cuda.Scratch.Allocate(DType.FP8.MatrixBytes(tokens, weight.Columns)), DType.FP8, tokens, weight.Columns);
        Fp8Matrix.StoreCuda(cuda, rounded, input, inputStride);
        var product = ProductOf(rounded, weight, outputStride, output.Type) with { IsScaled = true };
        if (!cuda.Products.TryMultiply(
            product, rounded.Address, weight.Address, output.Address, accumulate, rounded.Scales, weight.Scales))
        {
            Piecewise(cuda, input, inputStride, rounded, weight, output, outputStride, accumulate);
        }

        cuda.Scratch.Release(mark);
    }

    /// <summary>Sums in f32, a few outputs at a time, scaled by a kernel behind.</summary>
    private static void Piecewise(
        CudaDevice cuda, Elements input, long inputStride, in MatrixView rounded, in MatrixView weight, Elements output,
        long outputStride, bool accumulate)
    {
        int tokens = rounded.Rows;
        long rowBytes = Math.Max((long)tokens * sizeof(float), weight.Stride * DType.BF16.Bytes());
        int most = (int)Math.Min(Math.Max(PieceBytes / rowBytes / CudaOutputs, 1) * CudaOutputs, weight.Rows);
        float* sums = cuda.Scratch.Floats((long)tokens * most);
        nint widened = 0;
        for (int first = 0; first < weight.Rows; first += most)
        {
            MatrixView part = Fp8Matrix.RowsView(weight, first, Math.Min(most, weight.Rows - first));
            bool isRounded = part.Rows % (Alignment / sizeof(float)) == 0 && cuda.Products.TryMultiply(
                ProductOf(rounded, part, part.Rows, DType.F32), rounded.Address, part.Address, (nint)sums, accumulate: false);
            if (!isRounded)
            {
                widened = widened != 0 ? widened : cuda.Scratch.Allocate(most * weight.Stride * DType.BF16.Bytes());
                Fp8Matrix.WidenCuda(cuda, part, widened);
                Gemm.MultiplyCuda(
                    cuda, new MatrixView(input.Address, input.Type, tokens, weight.Columns, inputStride), false,
                    new MatrixView(widened, DType.BF16, part.Rows, weight.Columns, weight.Stride), true, sums, part.Rows, tokens,
                    part.Rows, weight.Columns, accumulate: false);
            }

            CudaScale.Launch(
                cuda, new KernelVariant((int)output.Type), (RowLaunch.Blocks(part.Rows, ScaleThreads), tokens), ScaleThreads, 0,
                new CudaScaleArguments
                {
                    Sums = (nint)sums,
                    TokenScales = isRounded ? rounded.Scales : 0,
                    Scales = part.Scales,
                    Y = (output + first).Address,
                    YStride = outputStride,
                    Outputs = part.Rows,
                    Accumulate = accumulate ? 1 : 0,
                });
        }
    }

    // Sums run over the padding as well, which is zeros on both sides.
    private static CudaProduct ProductOf(in MatrixView tokens, in MatrixView weight, long outputStride, DType result) => new(
        tokens.Rows, weight.Rows, (int)weight.Stride, TransposeA: false, TransposeB: true, tokens.Stride, weight.Stride, outputStride,
        DType.FP8, result);

    private struct CudaFewArguments
    {
        public nint X;
        public nint W;
        public nint Scales;
        public nint Y;
        public long XStride;
        public long Pitch;
        public long YStride;
        public int Tokens;
        public int Outputs;
        public int Inputs;
        public int Accumulate;
    }

    private struct CudaScaleArguments
    {
        public nint Sums;
        public nint TokenScales;
        public nint Scales;
        public nint Y;
        public long YStride;
        public int Outputs;
        public int Accumulate;
    }
}
