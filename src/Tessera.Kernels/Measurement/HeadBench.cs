using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Measured cases of losses with the head inside: sizes and inputs.</summary>
internal static unsafe class HeadBench
{
    /// <summary>A case named <c>loss</c>, held against multiply-adds.</summary>
    /// <param name="target">Device and scale.</param>
    /// <param name="operation">Name of the loss.</param>
    /// <param name="flops">FLOP for each token, column and word of the vocabulary.</param>
    /// <param name="prepare">Makes the inputs in an arena; returns what runs once.</param>
    public static BenchCase Case(BenchTarget target, string operation, double flops, Func<Inputs, Action> prepare)
    {
        var (tokens, width, vocabulary) = target.Pick((12, 32, 96), (256, 768, 49_152), (8192, 2048, 128_256));
        return new BenchCase(
            "loss", $"{operation} {tokens}x{width}x{vocabulary}", target.Type.Label(), BenchCeiling.FusedMultiplyAdd,
            flops * tokens * width * vocabulary, arena => prepare(new Inputs(arena, target.Type, tokens, width, vocabulary)));
    }

    /// <summary>Hidden states, head, targets and room for their gradients: GPT-2's width and a vocabulary of 49,152; on a card those of Llama-3.2-1B.</summary>
    public sealed class Inputs(Arena arena, DType type, int tokens, int width, int vocabulary)
    {
        public int Tokens => tokens;

        public int Width => width;

        public int Vocabulary => vocabulary;

        public Elements Hidden { get; } = BenchInputs.Filled(arena, (long)tokens * width, type, 1);

        public MatrixView Head { get; } = MatrixView.Of(BenchInputs.Filled(arena, (long)vocabulary * width, type, 2), vocabulary, width);

        public float* Weights { get; } = BenchInputs.Floats(arena, tokens, 3);

        public int* Targets { get; } = (int*)arena.AllocateZeroed((long)tokens * sizeof(int));

        /// <summary>Other hidden states.</summary>
        public Elements OtherHidden() => BenchInputs.Filled(arena, (long)tokens * width, type, 4);

        /// <summary>Room for the gradient of <see cref="Hidden"/>.</summary>
        public Elements GradHidden() => new(arena.AllocateZeroed((long)tokens * width * type.Bytes()), type);

        /// <summary>Room for the gradient of <see cref="Head"/>, which grows.</summary>
        public Elements GradHead() => new(arena.AllocateZeroed((long)vocabulary * width * type.Bytes()), type);

        /// <summary>Room for a number a token.</summary>
        public float* PerToken() => arena.Floats(tokens);

        /// <summary>A number a token.</summary>
        public float* Filled(ulong seed) => BenchInputs.Floats(arena, tokens, seed);
    }
}
