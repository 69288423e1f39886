using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;

namespace Tessera.Puzzle.Library;

/// <summary>Puts whole models together from parts, converting one part at a time.</summary>
/// <param name="device">Whose memory takes them.</param>
/// <param name="type">Storage of matrices.</param>
public sealed class ModelAssembly(Device device, DType type)
{
    /// <summary>A model of its own.</summary>
    public Decoder Load(ModelParts parts)
    {
        var model = Decoder.Allocate(parts.Configuration, type, device);
        try
        {
            Fill(part => parts.Embedding(part), model.Embedding);
            for (int i = 0; i < model.Layers.Count; i++)
            {
                int layer = i;
                Fill(part => parts.Mixer(layer, part), model.Layers[i].Mixer);
                Fill(part => parts.FeedForward(layer, part), model.Layers[i].FeedForward);
            }

            Fill(part => parts.FinalNorm(part), model.FinalNorm);
            if (!ReferenceEquals(model.Head, model.Embedding))
            {
                Fill(part => parts.Head(part), model.Head);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A child to be timed: it shares with its parent everything but the halves of another shape, whatever numbers a pair that was trained
    /// whole has in the others. The parent must outlive it.
    /// </summary>
    /// <param name="parent">The parent, stored in this type.</param>
    /// <param name="parts">The child's parts.</param>
    public Decoder LoadBeside(Decoder parent, ModelParts parts)
    {
        var arena = device.CreateArena("halves of a child");
        try
        {
            var factory = new BlockFactory(parent.Configuration, parent.Rope, arena, type);
            var layers = new DecoderLayer[parts.LayerCount];
            for (int i = 0; i < layers.Length; i++)
            {
                int layer = i;
                var (from, to) = (parent.Configuration.Layers[i], parts.Configuration.Layers[i]);
                layers[i] = new DecoderLayer(
                    from.Mixer == to.Mixer
                        ? parent.Layers[i].Mixer
                        : Fill(part => parts.Mixer(layer, part), factory.Mixer(to.Mixer, $"layers.{i}.mixer")),
                    from.FeedForward == to.FeedForward
                        ? parent.Layers[i].FeedForward
                        : Fill(part => parts.FeedForward(layer, part), factory.FeedForward(to.FeedForward, $"layers.{i}.ffn")));
            }

            return parent.WithLayers(parts.Configuration, layers, arena);
        }
        catch
        {
            arena.Dispose();
            throw;
        }
    }

    private SubBlock? Fill(Func<Arena, SubBlock?> read, SubBlock? target)
    {
        if (target is not null)
        {
            using var part = device.CreateArena("part of a model");
            foreach (var (source, copy) in read(part)!.Parameters.Zip(target.Parameters))
            {
                ParameterConversion.Copy(source, copy);
            }
        }

        return target;
    }

    private void Fill(Func<Arena, Parameter> read, Parameter target)
    {
        using var part = device.CreateArena("part of a model");
        ParameterConversion.Copy(read(part), target);
    }
}
