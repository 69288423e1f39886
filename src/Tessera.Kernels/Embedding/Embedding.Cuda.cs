using System.Numerics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The backward on a card. Tokens are sorted by id, keeping their order; stretches of the sorted tokens are added up in f32, and what
/// crosses a stretch's border is joined afterwards. Every row of the table is read and written once, and rounded once.
/// </content>
public static unsafe partial class Embedding
{
    // Digits of the sort: with more, fewer rounds; with fewer, fewer blocks that all look at every key.
    private const int LargestDigitBits = 10;
    private const int SmallestDigitBits = 8;
    private const int ScanThreads = 256;
    private const int Stretch = 32;
    private const int SliceThreads = 128;

    private static readonly CudaKernel<SortArguments> CountKernel = SortKernel("embedding_count");
    private static readonly CudaKernel<SortArguments> OffsetsKernel = SortKernel("embedding_offsets");
    private static readonly CudaKernel<SortArguments> PlaceKernel = SortKernel("embedding_sort");

    private static readonly CudaKernel<AddArguments> AddKernel =
        new("Embedding.cu", "embedding_add", "SOURCE", "TABLE", "PACK", "DIGIT_BITS");

    private static readonly CudaKernel<AddArguments> JoinKernel =
        new("Embedding.cu", "embedding_join", "SOURCE", "TABLE", "PACK", "DIGIT_BITS");

    private static CudaKernel<SortArguments> SortKernel(string entry) =>
        new("Embedding.cu", entry, "SOURCE", "TABLE", "PACK", "DIGIT_BITS");

    private static void BackwardCuda(
        CudaDevice cuda, int* ids, Elements gradOutput, Elements gradTable, int tokens, int vocabulary, int width)
    {
        if (tokens == 0)
        {
            return;
        }

        var mark = cuda.Scratch.Mark();
        int keyBits = Math.Max(1, 32 - BitOperations.LeadingZeroCount((uint)(vocabulary - 1)));
        int rounds = CudaRows.Divide(keyBits, LargestDigitBits);
        int digitBits = Math.Max(SmallestDigitBits, CudaRows.Divide(keyBits, rounds));
        int pack = CudaRows.Pack(width, gradOutput.Address, gradTable.Address);
        var variant = new KernelVariant(CudaRows.Code(gradOutput), CudaRows.Code(gradTable), pack, digitBits);
        var sorted = Sort(cuda, variant, ids, tokens, vocabulary, rounds, digitBits);

        int stretches = CudaRows.Divide(tokens, Stretch);
        var grid = new CudaExtent(stretches, CudaRows.Divide(width, SliceThreads * pack));
        var add = new AddArguments
        {
            Keys = sorted.SortedKeys,
            Tokens = sorted.SortedTokens,
            Valid = sorted.Offsets + (1 << digitBits),
            GradOutput = gradOutput.Address,
            GradTable = gradTable.Address,
            Partials = cuda.Scratch.Floats(2L * stretches * width),
            Width = width,
        };
        AddKernel.Launch(cuda, variant, grid, SliceThreads, 0, add);
        JoinKernel.Launch(cuda, variant, grid, SliceThreads, 0, add);
        cuda.Scratch.Release(mark);
    }

    /// <summary>Sorts tokens by id, lowest digit first; the last round's arguments say where the result lies.</summary>
    private static SortArguments Sort(
        CudaDevice cuda, in KernelVariant variant, int* ids, int tokens, int vocabulary, int rounds, int digitBits)
    {
        int buckets = 1 << digitBits;
        var sort = new SortArguments { SortedKeys = ids, Count = tokens, Vocabulary = vocabulary };
        for (int round = 0; round < rounds; round++)
        {
            sort.Keys = sort.SortedKeys;
            sort.Tokens = sort.SortedTokens;
            sort.Valid = round == 0 ? null : sort.Offsets + buckets;
            sort.SortedKeys = (int*)cuda.Scratch.Allocate((long)tokens * sizeof(int));
            sort.SortedTokens = (int*)cuda.Scratch.Allocate((long)tokens * sizeof(int));
            sort.Offsets = (int*)cuda.Scratch.Allocate((buckets + 1L) * sizeof(int));
            sort.Shift = round * digitBits;
            CountKernel.Launch(cuda, variant, buckets, ScanThreads, 0, sort);
            OffsetsKernel.Launch(cuda, variant, 1, ScanThreads, 0, sort);
            PlaceKernel.Launch(cuda, variant, buckets, ScanThreads, 0, sort);
        }

        return sort;
    }

    private struct SortArguments
    {
        public int* Keys;
        public int* Tokens;
        public int* SortedKeys;
        public int* SortedTokens;
        public int* Offsets;
        public int* Valid;
        public int Count;
        public int Vocabulary;
        public int Shift;
    }

    private struct AddArguments
    {
        public int* Keys;
        public int* Tokens;
        public int* Valid;
        public nint GradOutput;
        public nint GradTable;
        public float* Partials;
        public int Width;
    }
}
