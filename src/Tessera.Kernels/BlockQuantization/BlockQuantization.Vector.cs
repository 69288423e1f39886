using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    private const int HalfBlock = BlockSize / 2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeEightBits(float* source, byte* target, long blocks)
    {
        for (long block = 0; block < blocks; block++, source += BlockSize, target += sizeof(ushort) + BlockSize)
        {
            if (!Vector256.IsHardwareAccelerated)
            {
                QuantizeReference(BlockFormat.Q8_0, new ReadOnlySpan<float>(source, BlockSize), new Span<byte>(target, sizeof(ushort) + BlockSize));
                continue;
            }

            Vector256<float> a = Vector256.Load(source), b = Vector256.Load(source + 8);
            Vector256<float> c = Vector256.Load(source + 16), d = Vector256.Load(source + 24);
            float scale = Largest(Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)))) / 127;
            Vector256<float> inverse = Vector256.Create(scale == 0 ? 0 : 1 / scale);
            Unsafe.WriteUnaligned(target, (Half)scale);
            Vector256<short> low = Vector256.Narrow(RoundAway(a * inverse), RoundAway(b * inverse));
            Vector256<short> high = Vector256.Narrow(RoundAway(c * inverse), RoundAway(d * inverse));
            Vector256.Narrow(low, high).Store((sbyte*)(target + sizeof(ushort)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeFourBits(float* source, byte* target, long blocks)
    {
        for (long block = 0; block < blocks; block++, source += BlockSize, target += sizeof(ushort) + HalfBlock)
        {
            if (!Vector256.IsHardwareAccelerated)
            {
                QuantizeReference(BlockFormat.Q4_0, new ReadOnlySpan<float>(source, BlockSize), new Span<byte>(target, sizeof(ushort) + HalfBlock));
                continue;
            }

            Vector256<float> a = Vector256.Load(source), b = Vector256.Load(source + 8);
            Vector256<float> c = Vector256.Load(source + 16), d = Vector256.Load(source + 24);
            Vector256<float> size = Vector256.Create(
                Largest(Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)))));

            // The sign comes from the first weight of that size: it decides which side the sixteen steps favour.
            uint at = Vector256.Equals(Vector256.Abs(a), size).ExtractMostSignificantBits()
                | (Vector256.Equals(Vector256.Abs(b), size).ExtractMostSignificantBits() << 8)
                | (Vector256.Equals(Vector256.Abs(c), size).ExtractMostSignificantBits() << 16)
                | (Vector256.Equals(Vector256.Abs(d), size).ExtractMostSignificantBits() << 24);
            float scale = source[BitOperations.TrailingZeroCount(at) & (BlockSize - 1)] / -8;
            Vector256<float> inverse = Vector256.Create(scale == 0 ? 0 : 1 / scale);
            Unsafe.WriteUnaligned(target, (Half)scale);
            Vector256<ushort> low = Vector256.Narrow(Nibbles(a * inverse), Nibbles(b * inverse));
            Vector256<ushort> high = Vector256.Narrow(Nibbles(c * inverse), Nibbles(d * inverse));
            Vector256<ushort> both = low | (high << 4);
            Vector128.Narrow(both.GetLower(), both.GetUpper()).Store(target + sizeof(ushort));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenEightBits(byte* source, float* target, long blocks)
    {
        for (long block = 0; block < blocks; block++, source += sizeof(ushort) + BlockSize, target += BlockSize)
        {
            float scale = (float)Unsafe.ReadUnaligned<Half>(source);
            sbyte* integers = (sbyte*)(source + sizeof(ushort));
            if (Vector256.IsHardwareAccelerated)
            {
                Vector256<float> factor = Vector256.Create(scale);
                (Vector256<short> low, Vector256<short> high) = Vector256.Widen(Vector256.Load(integers));
                StoreProducts(low, factor, target);
                StoreProducts(high, factor, target + HalfBlock);
            }
            else
            {
                for (int i = 0; i < BlockSize; i++)
                {
                    target[i] = integers[i] * scale;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenFourBits(byte* source, float* target, long blocks)
    {
        for (long block = 0; block < blocks; block++, source += sizeof(ushort) + HalfBlock, target += BlockSize)
        {
            float scale = (float)Unsafe.ReadUnaligned<Half>(source);
            byte* pairs = source + sizeof(ushort);
            if (Vector256.IsHardwareAccelerated)
            {
                Vector256<float> factor = Vector256.Create(scale);
                Vector128<byte> bytes = Vector128.Load(pairs);
                Vector128<sbyte> zero = Vector128.Create((sbyte)FourBitZero);
                StoreProducts(Wide((bytes & Vector128.Create((byte)0xF)).AsSByte() - zero), factor, target);
                StoreProducts(Wide((bytes >>> 4).AsSByte() - zero), factor, target + HalfBlock);
            }
            else
            {
                for (int i = 0; i < HalfBlock; i++)
                {
                    target[i] = ((pairs[i] & 0xF) - FourBitZero) * scale;
                    target[i + HalfBlock] = ((pairs[i] >> 4) - FourBitZero) * scale;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Wide(Vector128<sbyte> bytes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(bytes);
        return Vector256.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreProducts(Vector256<short> integers, Vector256<float> factor, float* target)
    {
        (Vector256<int> low, Vector256<int> high) = Vector256.Widen(integers);
        (Vector256.ConvertToSingle(low) * factor).Store(target);
        (Vector256.ConvertToSingle(high) * factor).Store(target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector256<float> sizes)
    {
        Vector128<float> four = Vector128.Max(sizes.GetLower(), sizes.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    // Cut, then a step outwards where the rest is a half or more: adding a half first would round some numbers twice.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> RoundAway(Vector256<float> values)
    {
        Vector256<float> cut = Vector256.Truncate(values);
        Vector256<float> step = Vector256.GreaterThanOrEqual(Vector256.Abs(values - cut), Vector256.Create(0.5f)) & Vector256.CopySign(Vector256<float>.One, values);
        return Vector256.ConvertToInt32(cut + step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Nibbles(Vector256<float> scaled) =>
        Vector256.Min(Vector256.ConvertToInt32(scaled + Vector256.Create(8.5f)), Vector256.Create(15)).AsUInt32();
}
