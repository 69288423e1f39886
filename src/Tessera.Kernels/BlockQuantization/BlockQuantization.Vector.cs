using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    private const int HalfBlock = BlockSize / 2;

    // Blocks whose scales are found together: their divisions and their rounding to binary16 are a few vectors', and the wait for
    // them is shared by many.
    private const int ScaleGroup = 2 * VectorMath.Lanes;

    // Scales pass through memory as a vector of what was stored one by one. Such a load waits until the stores before it are in the
    // cache, those of finished blocks among them, which therefore must find their lines there.
    private const int TargetAhead = 1536;

    // The largest float below a half: added with a number's own sign before the fraction is cut it rounds halves away from zero,
    // where a half itself would lift the float before a half as well.
    private const float BelowHalf = 0.49999997f;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeEightBits(float* source, byte* target, long blocks)
    {
        const int Bytes = sizeof(ushort) + BlockSize;
        float* inverses = stackalloc float[ScaleGroup];
        float* sizes = stackalloc float[4 * ScaleGroup];
        uint* halves = stackalloc uint[ScaleGroup];
        for (; blocks > 0; blocks -= ScaleGroup)
        {
            int count = (int)Math.Min(blocks, ScaleGroup);
            if (!Vector128.IsHardwareAccelerated)
            {
                QuantizeReference(BlockFormat.Q8, new ReadOnlySpan<float>(source, count * BlockSize), new Span<byte>(target, count * Bytes));
                source += count * BlockSize;
                target += count * Bytes;
                continue;
            }

            Sizes(source, count, sizes);
            for (int i = 0; i < count; i++)
            {
                inverses[i] = sizes[4 * i];
            }

            Scales(inverses, halves, 127f);
            for (int i = 0; i < count; i++, source += BlockSize, target += Bytes)
            {
                AskAhead(source + (ScaleGroup * BlockSize) + HalfBlock);
                VectorMath.Prefetch(target + TargetAhead);
                Vector512<float> inverse = Vector512.Create(inverses[i]);
                Vector512<int> low = RoundAway(Vector512.Load(source) * inverse), high = RoundAway(Vector512.Load(source + HalfBlock) * inverse);
                Unsafe.WriteUnaligned(target, (ushort)halves[i]);
                StoreBytes(low, target + sizeof(ushort));
                StoreBytes(high, target + sizeof(ushort) + HalfBlock);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeFourBits(float* source, byte* target, long blocks)
    {
        const int Bytes = sizeof(ushort) + HalfBlock;
        float* inverses = stackalloc float[ScaleGroup];
        float* sizes = stackalloc float[4 * ScaleGroup];
        uint* halves = stackalloc uint[ScaleGroup];
        for (; blocks > 0; blocks -= ScaleGroup)
        {
            int count = (int)Math.Min(blocks, ScaleGroup);
            if (!Vector128.IsHardwareAccelerated)
            {
                QuantizeReference(BlockFormat.Q4, new ReadOnlySpan<float>(source, count * BlockSize), new Span<byte>(target, count * Bytes));
                source += count * BlockSize;
                target += count * Bytes;
                continue;
            }

            Sizes(source, count, sizes);
            float* block = source;
            for (int i = 0; i < count; i++, block += BlockSize)
            {
                // The sign comes from the first weight of that size: it decides which side the sixteen steps favour.
                Vector512<float> size = Vector512.Create(sizes[4 * i]);
                uint at = (uint)Vector512.Equals(Vector512.Abs(Vector512.Load(block)), size).ExtractMostSignificantBits()
                    | ((uint)Vector512.Equals(Vector512.Abs(Vector512.Load(block + HalfBlock)), size).ExtractMostSignificantBits() << HalfBlock);
                inverses[i] = block[BitOperations.TrailingZeroCount(at) & (BlockSize - 1)];
            }

            Scales(inverses, halves, -8f);
            for (int i = 0; i < count; i++, source += BlockSize, target += Bytes)
            {
                AskAhead(source + (ScaleGroup * BlockSize) + HalfBlock);
                VectorMath.Prefetch(target + TargetAhead);
                Vector512<float> inverse = Vector512.Create(inverses[i]);
                Vector512<int> low = Nibbles(Vector512.Load(source) * inverse), high = Nibbles(Vector512.Load(source + HalfBlock) * inverse);
                Unsafe.WriteUnaligned(target, (ushort)halves[i]);
                StoreBytes(low | (high << 4), target + sizeof(ushort));
            }
        }
    }

    /// <summary>The largest magnitude of each block of a group, four times.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sizes(float* source, int count, float* sizes)
    {
        for (int i = 0; i < count; i++, source += BlockSize)
        {
            AskAhead(source + (ScaleGroup * BlockSize));
            Vector512<float> sixteen = Vector512.MaxNative(Vector512.Abs(Vector512.Load(source)), Vector512.Abs(Vector512.Load(source + HalfBlock)));
            Vector256<float> eight = Vector256.MaxNative(sixteen.GetLower(), sixteen.GetUpper());
            Vector128.MaxNative(eight.GetLower(), eight.GetUpper()).Store(sizes + (4 * i));
        }

        var pairs = Vector512.Create(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        var neighbours = Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
        for (int i = 0; i < 4 * ScaleGroup; i += VectorMath.Lanes)
        {
            Vector512<float> four = Vector512.Load(sizes + i);
            four = Vector512.MaxNative(four, Vector512.Shuffle(four, pairs));
            Vector512.MaxNative(four, Vector512.Shuffle(four, neighbours)).Store(sizes + i);
        }
    }

    /// <summary>From the weights that decide: 1 / d, zero where d is, and d as a binary16, with d = weight / steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scales(float* inverses, uint* halves, float steps)
    {
        for (int i = 0; i < ScaleGroup; i += VectorMath.Lanes)
        {
            Vector512<float> scale = Vector512.Load(inverses + i) / Vector512.Create(steps);
            Conversion.ToHalfBits(scale.AsUInt32()).Store(halves + i);
            Vector512.ConditionalSelect(Vector512.Equals(scale, default), default, Vector512<float>.One / scale).Store(inverses + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenEightBits(byte* source, float* target, long blocks, bool pastCaches)
    {
        const int Bytes = sizeof(ushort) + BlockSize;
        float* scales = stackalloc float[ScaleGroup];
        for (; blocks > 0; blocks -= ScaleGroup, source += ScaleGroup * Bytes)
        {
            int count = (int)Math.Min(blocks, ScaleGroup);
            LoadScales(source, Bytes, count, scales);
            for (int i = 0; i < count; i++, target += BlockSize)
            {
                sbyte* integers = (sbyte*)(source + (i * Bytes) + sizeof(ushort));
                if (Vector128.IsHardwareAccelerated)
                {
                    Vector512<float> factor = Vector512.Create(scales[i]);
                    VectorMath.Store(Vector512.ConvertToSingle(Integers(integers)) * factor, target, pastCaches);
                    VectorMath.Store(Vector512.ConvertToSingle(Integers(integers + HalfBlock)) * factor, target + HalfBlock, pastCaches);
                    continue;
                }

                for (int j = 0; j < BlockSize; j++)
                {
                    target[j] = integers[j] * scales[i];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenFourBits(byte* source, float* target, long blocks, bool pastCaches)
    {
        const int Bytes = sizeof(ushort) + HalfBlock;
        float* scales = stackalloc float[ScaleGroup];
        for (; blocks > 0; blocks -= ScaleGroup, source += ScaleGroup * Bytes)
        {
            int count = (int)Math.Min(blocks, ScaleGroup);
            LoadScales(source, Bytes, count, scales);
            for (int i = 0; i < count; i++, target += BlockSize)
            {
                byte* pairs = source + (i * Bytes) + sizeof(ushort);
                if (Vector128.IsHardwareAccelerated)
                {
                    Vector512<float> factor = Vector512.Create(scales[i]);
                    Vector512<int> both = Integers((sbyte*)pairs), mask = Vector512.Create(0xF), zero = Vector512.Create(FourBitZero);
                    VectorMath.Store(Vector512.ConvertToSingle((both & mask) - zero) * factor, target, pastCaches);
                    VectorMath.Store(Vector512.ConvertToSingle(((both >>> 4) & mask) - zero) * factor, target + HalfBlock, pastCaches);
                    continue;
                }

                for (int j = 0; j < HalfBlock; j++)
                {
                    target[j] = ((pairs[j] & 0xF) - FourBitZero) * scales[i];
                    target[j + HalfBlock] = ((pairs[j] >> 4) - FourBitZero) * scales[i];
                }
            }
        }
    }

    /// <summary>Scales of a group of blocks, widened by whole vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadScales(byte* source, int blockBytes, int count, float* scales)
    {
        uint* halves = stackalloc uint[ScaleGroup];
        for (int i = 0; i < count; i++)
        {
            AskAhead(source + (i * blockBytes));
            halves[i] = Unsafe.ReadUnaligned<ushort>(source + (i * blockBytes));
        }

        for (int i = 0; i < ScaleGroup; i += VectorMath.Lanes)
        {
            Conversion.FromHalfBits(Vector512.Load(halves + i)).Store((uint*)scales + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Integers(sbyte* bytes)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.ConvertToVector512Int32(Vector128.Load(bytes));
        }

        Vector256<short> words = Wide(Vector128.Load(bytes));
        return Vector512.Create(Vector256.WidenLower(words), Vector256.WidenUpper(words));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Wide(Vector128<sbyte> bytes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(bytes);
        return Vector256.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AskAhead(void* address) => VectorMath.PrefetchOnce((float*)address + VectorMath.FloatsAhead);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> RoundAway(Vector512<float> values) =>
        Vector512.ConvertToInt32Native(values + Vector512.CopySign(Vector512.Create(BelowHalf), values));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Nibbles(Vector512<float> scaled) =>
        Vector512.Min(Vector512.ConvertToInt32Native(scaled + Vector512.Create(8.5f)), Vector512.Create(15));

    /// <summary>Stores the low byte of every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreBytes(Vector512<int> values, byte* target)
    {
        if (Avx512F.IsSupported)
        {
            Avx512F.ConvertToVector128Byte(values).Store(target);
            return;
        }

        Vector256<short> words = Vector256.Narrow(values.GetLower(), values.GetUpper());
        Vector128.Narrow(words.GetLower(), words.GetUpper()).AsByte().Store(target);
    }
}
